"""The durable queue between what happened and who is told.

The dispatcher's side of the store: claim what is due, record what was tried. A delivery is WAITING
until it is claimed, SENDING while a dispatcher has it, and final after that; what a crash left SENDING
is WAITING again at the next start.
"""

import json
import sqlite3
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Final
from uuid import UUID

from sidecar.delivery import (
    Accepted,
    Attempt,
    Delivery,
    DeliveryState,
    Rejected,
    TargetKey,
    Unreachable,
)
from sidecar.event import EventType
from sidecar.store.disabled import DisabledTargets
from sidecar.store.records import moment, seconds
from sidecar.store.sqlite import SqliteDatabase

StoredCallback = Callable[[frozenset[TargetKey]], None]

_PRUNED_AT_ONCE: Final = 500
_CLAIM: Final = """
SELECT seq, id, event_id, event_type, policy_id, target_index, repository, body, content_type, created_at,
       failures, attempts
FROM deliveries
WHERE state = 'waiting' AND policy_id = ? AND target_index = ? AND next_attempt_at <= ?
      AND repository NOT IN (SELECT value FROM json_each(?))
ORDER BY next_attempt_at, seq LIMIT ?
"""


# Statuses of a target that is away: those of delivery.Rejected.is_away.
_FAILED_MEANWHILE: Final = """
SELECT seq FROM deliveries INDEXED BY deliveries_waiting
     JOIN attempts ON delivery_id = id AND number = attempts
WHERE state = 'waiting' AND policy_id = ?1 AND target_index = ?2 AND next_attempt_at > ?4
      AND created_at > ?3 AND started_at < ?4 AND retry_after_s IS NULL
      AND (status IS NULL OR status >= 500 OR status IN (408, 429))
LIMIT ?5
"""


class Outbox:
    """Deliveries and their attempts."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database
        self.disabled: Final = DisabledTargets(database)
        self._callbacks: list[StoredCallback] = []

    def on_stored(self, callback: StoredCallback) -> None:
        """Call back on the event loop after a commit of this process that stored deliveries."""
        self._callbacks.append(callback)

    def stored(self, targets: frozenset[TargetKey]) -> None:
        """Tell who listens that deliveries were committed."""
        for callback in self._callbacks:
            callback(targets)

    async def release_all(self) -> None:
        """Make WAITING again what an earlier run left SENDING, before anything is claimed.

        A store that cannot be written is told as soon as it can be, again before anything is claimed.
        """
        await self._database.write(
            lambda sql: sql.execute(
                "UPDATE deliveries SET state = ? WHERE state = 'sending'", (DeliveryState.WAITING,)
            ),
            keep=True,
        )

    async def claim(
        self, target: TargetKey, *, limit: int, now: datetime, skip_repositories: Collection[str]
    ) -> list[Delivery]:
        """Due deliveries of a target, oldest first; committed as SENDING."""

        def work(sql: sqlite3.Connection) -> list[Delivery]:
            rows = sql.execute(
                _CLAIM,
                (target.policy_id, target.index, seconds(now), json.dumps(list(skip_repositories)), limit),
            ).fetchall()
            sql.executemany(
                "UPDATE deliveries SET state = 'sending' WHERE seq = ?", ((row[0],) for row in rows)
            )
            return [_delivery(row) for row in rows]

        return await self._database.write(work, background=True)

    async def finish(
        self, attempt: Attempt, *, state: DeliveryState, next_attempt_at: datetime | None
    ) -> None:
        """Record an attempt and what becomes of its delivery, in one transaction.

        A delivery that was cancelled while it was being sent stays cancelled unless it arrived.
        """
        failed = not isinstance(attempt.result, Accepted)
        finished_at = seconds(attempt.started_at) + attempt.duration_ms / 1000

        def work(sql: sqlite3.Connection) -> None:
            _insert_attempt(sql, attempt)
            sql.execute(
                "UPDATE deliveries SET state = ?, next_attempt_at = ?, finished_at = ?, "
                "failures = failures + ?, attempts = ? WHERE id = ? AND (state = 'sending' OR ? = 'delivered')",
                (
                    state,
                    seconds(next_attempt_at) if next_attempt_at else None,
                    None if state is DeliveryState.WAITING else finished_at,
                    int(failed),
                    attempt.number,
                    str(attempt.delivery_id),
                    state,
                ),
            )

        await self._database.write(work, keep=True, weight=len(attempt.excerpt) + 200, background=True)

    async def release(self, deliveries: Collection[Delivery]) -> None:
        """Give back what was claimed and not sent."""
        identities = [(str(delivery.id),) for delivery in deliveries]
        await self._database.write(
            lambda sql: sql.executemany(
                "UPDATE deliveries SET state = 'waiting' WHERE id = ? AND state = 'sending'", identities
            )
        )

    async def bring_forward(
        self, target: TargetKey, *, away_since: datetime, back_at: datetime, limit: int
    ) -> int:
        """Make due what a target missed while it was away, in the order it was stored; how many that were.

        Left as they are: what was stored before, what has been tried since, and what the target itself
        asked to wait.
        """
        chosen = target.policy_id, target.index, seconds(away_since), seconds(back_at), limit
        missed = await self._database.read(lambda sql: sql.execute(_FAILED_MEANWHILE, chosen).fetchall())
        if missed:
            await self._database.write(
                lambda sql: sql.executemany(
                    "UPDATE deliveries SET next_attempt_at = created_at WHERE seq = ? AND state = 'waiting'",
                    missed,
                ),
                background=True,
            )
        return len(missed)

    async def next_due(self, target: TargetKey) -> datetime | None:
        """When the next delivery of a target is to be tried; None when nothing waits."""

        def work(sql: sqlite3.Connection) -> datetime | None:
            row = sql.execute(
                "SELECT next_attempt_at FROM deliveries WHERE state = 'waiting' AND policy_id = ? "
                "AND target_index = ? ORDER BY next_attempt_at LIMIT 1",
                (target.policy_id, target.index),
            ).fetchone()
            return moment(row[0]) if row else None

        return await self._database.read(work)

    async def cancel_waiting(self, target: TargetKey, *, reason: str) -> int:
        """Cancel what waits for a target, visibly; answers how many deliveries that were."""

        def work(sql: sqlite3.Connection) -> int:
            return sql.execute(
                "UPDATE deliveries SET state = ?, reason = ?, next_attempt_at = NULL, "
                "finished_at = (julianday('now') - 2440587.5) * 86400.0 "
                "WHERE state = 'waiting' AND policy_id = ? AND target_index = ?",
                (DeliveryState.CANCELLED, reason, target.policy_id, target.index),
            ).rowcount

        return await self._database.write(work, background=True)

    async def targets_waiting(self) -> list[TargetKey]:
        """Every target that deliveries wait for, also of policies that are gone."""

        def work(sql: sqlite3.Connection) -> list[TargetKey]:
            found: list[TargetKey] = []
            last = ("", -1)
            # One step of the index for each target, however many deliveries wait.
            while row := sql.execute(
                "SELECT policy_id, target_index FROM deliveries WHERE state = 'waiting' "
                "AND (policy_id, target_index) > (?, ?) ORDER BY policy_id, target_index LIMIT 1",
                last,
            ).fetchone():
                last = (row[0], row[1])
                found.append(TargetKey(policy_id=row[0], index=row[1]))
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


def _insert_attempt(sql: sqlite3.Connection, attempt: Attempt) -> None:
    result = attempt.result
    status = None if isinstance(result, Unreachable) else result.status
    error = result.reason if isinstance(result, Unreachable) else ""
    retry_after_s = result.retry_after_s if isinstance(result, Rejected) else None
    sql.execute(
        "INSERT OR REPLACE INTO attempts (delivery_id, number, started_at, duration_ms, status, error, "
        "address, excerpt, retry_after_s) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            str(attempt.delivery_id),
            attempt.number,
            seconds(attempt.started_at),
            attempt.duration_ms,
            status,
            error,
            attempt.address,
            attempt.excerpt,
            retry_after_s,
        ),
    )


def _delivery(row: tuple[int, str, str, str, str, int, str, bytes, str, float, int, int]) -> Delivery:
    _, identity, event_id, event_type, policy_id, index, repository, body, content_type, created, *counts = (
        row
    )
    return Delivery(
        id=UUID(identity),
        event_id=UUID(event_id),
        event_type=EventType(event_type),
        target=TargetKey(policy_id=policy_id, index=index),
        repository=repository,
        body=body,
        content_type=content_type,
        created_at=moment(created),
        failures=counts[0],
        attempts=counts[1],
    )
