"""The durable queue between what happened and who is told.

The dispatcher's side of the store: claim what is due, record what was tried. A delivery is WAITING
until it is claimed, SENDING while a dispatcher has it, and final after that; what is SENDING for a run
that is over (`runs`) is WAITING again.
"""

import json
import sqlite3
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

from sidecar.model.delivery import (
    AWAY_BELOW_500,
    Accepted,
    Attempt,
    Delivery,
    DeliveryState,
    Rejected,
    TargetKey,
    Unreachable,
)
from sidecar.model.event import EventType
from sidecar.store.away import AwayTargets
from sidecar.store.batching import Batching
from sidecar.store.disabled import DisabledTargets
from sidecar.store.records import moment, seconds
from sidecar.store.rows import give_up, readable
from sidecar.store.sqlite import SqliteDatabase
from sidecar.store.statement import Statement

StoredCallback = Callable[[frozenset[TargetKey]], None]

_PRUNED_AT_ONCE: Final = 500
_CANCELLED_AT_ONCE: Final = 500
#: How far to look past deliveries of repositories that are skipped: a million may wait for one of them.
_LOOKED_AT: Final = 1000
_NEXT: Final = f"""
SELECT seq, next_attempt_at FROM (
    SELECT seq, next_attempt_at, repository FROM deliveries
    WHERE state = 'waiting' AND policy_id = ?1 AND target_index = ?2 AND next_attempt_at <= ?3
    ORDER BY next_attempt_at, seq LIMIT {_LOOKED_AT})
WHERE repository NOT IN (SELECT value FROM json_each(?4)) LIMIT ?5
"""  # noqa: S608  # constants
_CLAIM: Final = f"""
SELECT seq, id, event_id, event_type, policy_id, target_index, repository, body, content_type, created_at,
       failures, attempts, target_mark
FROM deliveries WHERE seq IN (SELECT seq FROM ({_NEXT})) ORDER BY next_attempt_at, seq
"""  # noqa: S608  # constants
_RELEASE_ORPHANS: Final = Statement(
    "What is being sent by no run that is alive waits again.",
    """
    UPDATE deliveries SET state = 'waiting' WHERE state = 'sending'
        AND run NOT IN (SELECT id FROM runs WHERE ended_at IS NULL)
    """,
)
_EVER: Final = 1e12  # seconds
# Two, since SQLite walks through all that are equal to compare a pair.
_WAITING: Final = "SELECT policy_id, target_index, next_attempt_at FROM deliveries WHERE state = 'waiting'"
_BY_TARGET: Final = "ORDER BY policy_id, target_index, next_attempt_at LIMIT 1"
_NEXT_TARGET: Final = f"{_WAITING} AND policy_id = ? AND target_index > ? {_BY_TARGET}"
_NEXT_POLICY: Final = f"{_WAITING} AND policy_id > ? {_BY_TARGET}"
_CANCEL: Final = (
    "state = 'cancelled', reason = ?, next_attempt_at = NULL, "
    "finished_at = (julianday('now') - 2440587.5) * 86400.0"
)


# The statuses are those of delivery.Rejected.is_away.
_FAILED_MEANWHILE: Final = f"""
SELECT seq FROM deliveries INDEXED BY deliveries_waiting
     JOIN attempts ON delivery_id = id AND number = attempts
WHERE state = 'waiting' AND policy_id = ?1 AND target_index = ?2 AND next_attempt_at > ?4
      AND created_at > ?3 AND started_at < ?4
      AND (retry_after_s IS NULL OR started_at + duration_ms / 1000 + retry_after_s <= ?4)
      AND (status IS NULL OR status >= 500 OR status IN {AWAY_BELOW_500})
LIMIT ?5
"""  # noqa: S608  # constants


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a claim has brought."""

    jobs: list[Delivery]  #: due ones, oldest first; SENDING from now on
    is_full: bool  #: as many as were asked for; there may be more
    #: If not full: when to try the next one that is not of a repository to skip; None when there is none.
    next_due: datetime | None


@dataclass(frozen=True, slots=True)
class _Claim:
    target: TargetKey
    limit: int
    now: datetime
    skip: Collection[str]


@dataclass(frozen=True, slots=True)
class _Finish:
    attempt: Attempt
    state: DeliveryState
    next_attempt_at: datetime | None


class Outbox:
    """Deliveries and their attempts."""

    def __init__(self, database: SqliteDatabase, *, run: str) -> None:
        """`run`: what is claimed belongs to it."""
        self._database = database
        self._claims = Batching(database, partial(_claim_all, run=run))
        self._finishes = Batching(database, _finish_all, weight=_weight)
        self.disabled: Final = DisabledTargets(database)
        self.away: Final = AwayTargets(database)
        self._callbacks: list[StoredCallback] = []

    def on_stored(self, callback: StoredCallback) -> None:
        """Call back on the event loop after a commit of this process that stored deliveries."""
        self._callbacks.append(callback)

    def stored(self, targets: frozenset[TargetKey]) -> None:
        """Tell who listens that deliveries were committed."""
        for callback in self._callbacks:
            callback(targets)

    async def claim(self, target: TargetKey, *, limit: int, now: datetime, skip: Collection[str]) -> Claimed:
        """Due deliveries of a target, oldest first; committed as SENDING."""
        return await self._claims.ask(_Claim(target, limit, now, skip))

    async def finish(
        self, attempt: Attempt, *, state: DeliveryState, next_attempt_at: datetime | None
    ) -> None:
        """Record an attempt and what becomes of its delivery, in one transaction.

        A delivery that was cancelled while it was being sent stays cancelled unless it arrived.
        """
        await self._finishes.ask(_Finish(attempt, state, next_attempt_at))

    async def release(self, deliveries: Collection[Delivery]) -> None:
        """Give back what was claimed and not sent; as soon as the store can be written."""
        identities = [(str(delivery.id),) for delivery in deliveries]
        await self._database.write(
            lambda sql: sql.executemany(
                "UPDATE deliveries SET state = 'waiting' WHERE id = ? AND state = 'sending'", identities
            ),
            keep=True,
            weight=100 * len(identities),
        )

    async def bring_forward(
        self, target: TargetKey, *, away_since: datetime, back_at: datetime, limit: int
    ) -> int:
        """Make due what a target missed while it was away, in the order it was stored; how many that were.

        Left as they are: what was stored before, what has been tried since, and what the target itself
        asked to wait for longer.
        """
        chosen = target.policy_id, target.index, seconds(away_since), seconds(back_at), limit
        missed = await self._database.read(lambda sql: sql.execute(_FAILED_MEANWHILE, chosen).fetchall())
        if missed:
            await self._database.write(
                lambda sql: sql.executemany(
                    "UPDATE deliveries SET next_attempt_at = min(created_at, ?2) WHERE seq = ?1 AND state = 'waiting'",
                    ((seq, seconds(back_at)) for (seq,) in missed),
                ),
                background=True,
            )
        return len(missed)

    async def move(self, deliveries: Mapping[UUID, int | None], *, reason: str) -> None:
        """Give claimed deliveries to other targets of their policies; cancel those for None."""
        moves = [(index, str(identity)) for identity, index in deliveries.items() if index is not None]
        cancelled = [(reason, str(identity)) for identity, index in deliveries.items() if index is None]

        def work(sql: sqlite3.Connection) -> None:
            sql.executemany(
                "UPDATE deliveries SET target_index = ?, state = 'waiting' WHERE id = ? AND state = 'sending'",
                moves,
            )
            sql.executemany(
                f"UPDATE deliveries SET {_CANCEL} WHERE id = ? AND state = 'sending'",  # noqa: S608  # constant
                cancelled,
            )

        await self._database.write(work, background=True, keep=True)

    async def move_waiting(self, target: TargetKey, marks: Mapping[str, int]) -> None:
        """Give what waits for a target, and has one of these marks, to other targets of its policy."""
        moves = [(index, target.policy_id, target.index, mark) for mark, index in marks.items()]
        await self._database.write(
            lambda sql: sql.executemany(
                "UPDATE deliveries SET target_index = ?1 WHERE state = 'waiting' AND policy_id = ?2 "
                "AND target_index = ?3 AND target_mark = ?4",
                moves,
            ),
            background=True,
        )

    async def marks_waiting(self, target: TargetKey) -> list[str]:
        """The marks of what waits for a target."""
        rows = await self._database.read(
            lambda sql: sql.execute(
                "SELECT DISTINCT target_mark FROM deliveries INDEXED BY deliveries_waiting "
                "WHERE state = 'waiting' AND policy_id = ? AND target_index = ?",
                (target.policy_id, target.index),
            ).fetchall()
        )
        return [mark for (mark,) in rows]

    async def cancel_waiting(self, target: TargetKey, *, reason: str) -> int:
        """Cancel what waits for a target, visibly; answers how many deliveries that were."""

        def work(sql: sqlite3.Connection) -> int:
            return sql.execute(
                f"UPDATE deliveries SET {_CANCEL} WHERE seq IN (SELECT seq FROM deliveries "  # noqa: S608  # constant
                "WHERE state = 'waiting' AND policy_id = ? AND target_index = ? LIMIT ?)",
                (reason, target.policy_id, target.index, _CANCELLED_AT_ONCE),
            ).rowcount

        number = 0
        while some := await self._database.write(work, background=True):
            number += some
        return number

    async def queues_waiting(self) -> dict[TargetKey, datetime]:
        """Every target that deliveries wait for, also of policies that are gone, and when the next is due."""

        def work(sql: sqlite3.Connection) -> dict[TargetKey, datetime]:
            found: dict[TargetKey, datetime] = {}
            policy_id, index = "", -1
            # One step of the index for each target, however many deliveries wait.
            while row := (
                sql.execute(_NEXT_TARGET, (policy_id, index)).fetchone()
                or sql.execute(_NEXT_POLICY, (policy_id,)).fetchone()
            ):
                policy_id, index = row[0], row[1]
                found[TargetKey(policy_id=policy_id, index=index)] = moment(row[2])
            return found

        return await self._database.read(work)

    async def prune(self, *, before: datetime, most_per_policy: int) -> int:
        """Forget some finished deliveries, with their attempts and events; 0 when no more are to be forgotten.

        before            those that ended before then go
        most_per_policy   of those that are left, the newest of each policy stay

        `last_triggered` stays whatever goes.
        """
        doomed = await self._database.read(
            lambda sql: _doomed(sql, before=seconds(before), most=most_per_policy)
        )
        if not doomed:
            return 0
        await self._database.write(lambda sql: _forget(sql, doomed), background=True)
        return len(doomed)


def _doomed(sql: sqlite3.Connection, *, before: float, most: int) -> list[int]:
    """Which deliveries to forget next, a few hundred at most."""
    policy = ""
    # One step of the index for each policy, however many deliveries are kept.
    while row := sql.execute(
        "SELECT policy_id FROM deliveries WHERE finished_at IS NOT NULL AND policy_id > ? "
        "ORDER BY policy_id LIMIT 1",
        (policy,),
    ).fetchone():
        policy = row[0]
        if doomed := _doomed_of(sql, policy, before=before, most=most):
            return doomed
    return []


def _doomed_of(sql: sqlite3.Connection, policy: str, *, before: float, most: int) -> list[int]:
    rows = sql.execute(
        "SELECT seq FROM deliveries WHERE policy_id = ?1 AND finished_at < ?2 "
        "UNION ALL SELECT seq FROM (SELECT seq FROM deliveries WHERE policy_id = ?1 AND finished_at >= ?2 "
        "ORDER BY finished_at DESC, seq DESC LIMIT -1 OFFSET ?3) LIMIT ?4",
        (policy, before, most, _PRUNED_AT_ONCE),
    )
    return [seq for (seq,) in rows.fetchall()]


def _forget(sql: sqlite3.Connection, doomed: list[int]) -> None:
    rows = sql.execute(
        "SELECT seq, id, event_id FROM deliveries WHERE seq IN (SELECT value FROM json_each(?)) "
        "AND finished_at IS NOT NULL",  # one may have been sent again meanwhile
        (json.dumps(doomed),),
    ).fetchall()
    sql.executemany("DELETE FROM attempts WHERE delivery_id = ?", ((row[1],) for row in rows))
    sql.executemany("DELETE FROM deliveries WHERE seq = ?", ((row[0],) for row in rows))
    sql.executemany(
        "DELETE FROM events WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM deliveries WHERE event_id = ?1)",
        ((row[2],) for row in rows),
    )


def release_orphans(sql: sqlite3.Connection) -> None:
    """What is SENDING for a run that is over, or for none, waits again."""
    _RELEASE_ORPHANS.run(sql)


def _claim_all(sql: sqlite3.Connection, claims: list[_Claim], *, run: str) -> list[Claimed]:
    return [_claim(sql, claim, run) for claim in claims]


def _claim(sql: sqlite3.Connection, claim: _Claim, run: str) -> Claimed:
    target = claim.target.policy_id, claim.target.index
    skipped = json.dumps(list(claim.skip)) if claim.skip else "[]"
    rows = sql.execute(_CLAIM, (*target, seconds(claim.now), skipped, claim.limit)).fetchall()
    sql.executemany(
        "UPDATE deliveries SET state = 'sending', run = ? WHERE seq = ?", ((run, row[0]) for row in rows)
    )
    is_full = len(rows) == claim.limit
    return Claimed(
        jobs=readable(
            rows,
            _delivery,
            table="deliveries",
            on_unreadable=lambda row: give_up(sql, row[0], at_s=seconds(claim.now)),
        ),
        is_full=is_full,
        next_due=None if is_full else _next_due(sql, target, skipped),
    )


def _next_due(sql: sqlite3.Connection, target: tuple[str, int], skipped: str) -> datetime | None:
    row = sql.execute(_NEXT, (*target, _EVER, skipped, 1)).fetchone()
    return moment(row[1]) if row else None


def _finish_all(sql: sqlite3.Connection, finishes: list[_Finish]) -> list[None]:
    sql.executemany(
        "INSERT OR REPLACE INTO attempts (delivery_id, number, started_at, duration_ms, status, error, "
        "address, excerpt, retry_after_s) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [_attempt_row(finish.attempt) for finish in finishes],
    )
    sql.executemany(
        "UPDATE deliveries SET state = ?1, next_attempt_at = ?2, finished_at = ?3, failures = failures + ?4, "
        "attempts = ?5 WHERE id = ?6 AND (state = 'sending' OR ?1 = 'delivered')",
        [_outcome_row(finish) for finish in finishes],
    )
    return [None] * len(finishes)


def _attempt_row(attempt: Attempt) -> tuple[object, ...]:
    result = attempt.result
    return (
        str(attempt.delivery_id),
        attempt.number,
        seconds(attempt.started_at),
        attempt.duration_ms,
        None if isinstance(result, Unreachable) else result.status,
        result.reason if isinstance(result, Unreachable) else "",
        attempt.address,
        attempt.excerpt,
        result.retry_after_s if isinstance(result, Rejected) else None,
    )


def _outcome_row(finish: _Finish) -> tuple[object, ...]:
    attempt, waits = finish.attempt, finish.state is DeliveryState.WAITING
    return (
        finish.state,
        seconds(finish.next_attempt_at) if finish.next_attempt_at else None,
        None if waits else seconds(attempt.started_at) + attempt.duration_ms / 1000,
        int(not isinstance(attempt.result, Accepted)),
        attempt.number,
        str(attempt.delivery_id),
    )


def _weight(finish: _Finish) -> int:
    return len(finish.attempt.excerpt) + 200


def _delivery(row: tuple[Any, ...]) -> Delivery:
    _, identity, event_id, event_type, policy_id, index, repository, body, content_type, *rest = row
    created_at, failures, attempts, target_mark = rest
    return Delivery(
        id=UUID(identity),
        event_id=UUID(event_id),
        event_type=EventType(event_type),
        target=TargetKey(policy_id=policy_id, index=index),
        repository=repository,
        body=bytes(body),
        content_type=content_type,
        created_at=moment(created_at),
        failures=failures,
        attempts=attempts,
        target_mark=target_mark,
    )
