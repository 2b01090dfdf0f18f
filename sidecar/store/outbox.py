"""The durable queue between what happened and who is told.

The dispatcher's side of the store: claim what is due, record what was tried. A delivery is WAITING
until it is claimed, SENDING while a dispatcher has it, and final after that; what is SENDING for a run
that is over (`runs`) is WAITING again.
"""

import json
import sqlite3
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final

from sidecar.model.delivery import AWAY_BELOW_500, Attempt, Delivery, DeliveryState, TargetKey
from sidecar.store.away import AwayTargets
from sidecar.store.batching import Batching
from sidecar.store.claims import Claim, Claimed, Finish, claim_all, finish_all, release, weight_of
from sidecar.store.disabled import DisabledTargets
from sidecar.store.policy_targets import Successors, apply_targets, hand_over
from sidecar.store.pruning import doomed, forget
from sidecar.store.records import moment, seconds
from sidecar.store.sqlite import SqliteDatabase
from sidecar.store.statement import Statement

StoredCallback = Callable[[frozenset[TargetKey]], None]

_CANCELLED_AT_ONCE: Final = 500

# The next target of a policy, or of the next policy: two, since SQLite walks through all that are equal to compare a pair.
_NEXT_TARGET: Final = Statement(
    "The next target of a policy that deliveries wait for, and when the first of them is due.",
    """
    SELECT policy_id, target_id, next_attempt_at FROM deliveries
    WHERE state = 'waiting' AND policy_id = :policy_id AND target_id > :target_id
    ORDER BY policy_id, target_id, next_attempt_at LIMIT 1
    """,
)
_NEXT_POLICY: Final = Statement(
    "The first target of the next policy that deliveries wait for, and when the first of them is due.",
    """
    SELECT policy_id, target_id, next_attempt_at FROM deliveries
    WHERE state = 'waiting' AND policy_id > :policy_id
    ORDER BY policy_id, target_id, next_attempt_at LIMIT 1
    """,
)
# The statuses are those of delivery.Rejected.is_away.
_MISSED: Final = Statement(
    "Deliveries that failed while their target was away, and that it did not ask to wait for longer.",
    """
    SELECT d.seq FROM deliveries AS d {by_index(deliveries_waiting)}
        JOIN attempts AS a ON a.delivery_id = d.id AND a.number = d.attempts
    WHERE d.state = 'waiting' AND d.policy_id = :policy_id AND d.target_id = :target_id
        AND d.next_attempt_at > :back_at AND d.created_at > :away_since AND a.started_at < :back_at
        AND (a.retry_after_s IS NULL OR a.started_at + a.duration_ms / 1000 + a.retry_after_s <= :back_at)
        AND (a.status IS NULL OR a.status >= 500 OR a.status IN ({integers(:away_below_500)}))
    LIMIT :most
    """,
)
_MAKE_DUE: Final = Statement(
    "A delivery that waits is due since it was stored.",
    """
    UPDATE deliveries SET next_attempt_at = {least(created_at, :back_at)} WHERE seq = :seq AND state = 'waiting'
    """,
)
_CANCEL_WAITING: Final = Statement(
    "What waits for a target is cancelled; some of it.",
    """
    UPDATE deliveries SET state = 'cancelled', reason = :reason, next_attempt_at = NULL, finished_at = :now
    WHERE seq IN (
        SELECT seq FROM deliveries
        WHERE state = 'waiting' AND policy_id = :policy_id AND target_id = :target_id LIMIT :most)
    """,
)


class Outbox:
    """Deliveries and their attempts."""

    def __init__(self, database: SqliteDatabase, *, run: str, now: Callable[[], float] = time.time) -> None:
        """`run`: what is claimed belongs to it."""
        self._database = database
        self._now = now
        self._claims = Batching(database, partial(claim_all, run=run))
        self._finishes = Batching(database, finish_all, weight=weight_of)
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
        return await self._claims.ask(Claim(target, limit, now, skip))

    async def finish(
        self, attempt: Attempt, *, state: DeliveryState, next_attempt_at: datetime | None
    ) -> None:
        """Record an attempt and what becomes of its delivery, in one transaction.

        A delivery that was cancelled while it was being sent stays cancelled unless it arrived.
        """
        await self._finishes.ask(Finish(attempt, state, next_attempt_at))

    async def release(self, deliveries: Collection[Delivery]) -> None:
        """Give back what was claimed and not sent; as soon as the store can be written."""
        identities = [delivery.id for delivery in deliveries]
        await self._database.write(
            lambda sql: release(sql, identities), keep=True, weight=100 * len(identities)
        )

    async def bring_forward(
        self, target: TargetKey, *, away_since: datetime, back_at: datetime, limit: int
    ) -> int:
        """Make due what a target missed while it was away, in the order it was stored; how many that were.

        Left as they are: what was stored before, what has been tried since, and what the target itself
        asked to wait for longer.
        """
        back_at_s = seconds(back_at)

        def find(sql: sqlite3.Connection) -> list[tuple[int]]:
            return _MISSED.run(
                sql,
                **_of(target),
                away_since=seconds(away_since),
                back_at=back_at_s,
                away_below_500=json.dumps(AWAY_BELOW_500),
                most=limit,
            ).fetchall()

        if missed := await self._database.read(find):
            due = [{"seq": seq, "back_at": back_at_s} for (seq,) in missed]
            await self._database.write(lambda sql: _MAKE_DUE.run_many(sql, due), background=True)
        return len(missed)

    async def apply_targets(
        self, policies: Mapping[str, Sequence[str]], successors: Successors
    ) -> dict[TargetKey, TargetKey]:
        """Note which targets each policy has now, and hand over what waits for those that are gone.

        policies   the ids of its targets by each policy's id, in order

        Answers who has succeeded whom; all of it is one transaction.
        """
        return await self._database.write(
            lambda sql: apply_targets(sql, policies, _queues_waiting(sql), successors)
        )

    async def hand_over(self, target: TargetKey, successor: TargetKey) -> None:
        """Give what waits for a target to another one of its policy."""
        await self._database.write(
            lambda sql: hand_over(sql, target.policy_id, target.target_id, successor.target_id),
            background=True,
        )

    async def cancel_waiting(self, target: TargetKey, *, reason: str) -> int:
        """Cancel what waits for a target, visibly; answers how many deliveries that were."""

        def work(sql: sqlite3.Connection) -> int:
            return _CANCEL_WAITING.run(
                sql, **_of(target), reason=reason, now=self._now(), most=_CANCELLED_AT_ONCE
            ).rowcount

        number = 0
        while some := await self._database.write(work, background=True):
            number += some
        return number

    async def queues_waiting(self) -> dict[TargetKey, datetime]:
        """Every target that deliveries wait for, also of policies that are gone, and when the next is due."""
        return await self._database.read(_queues_waiting)

    async def prune(self, *, before: datetime, most_per_policy: int) -> int:
        """Forget some finished deliveries, with their attempts and events; 0 when no more are to be forgotten.

        before            those that ended before then go
        most_per_policy   of those that are left, the newest of each policy stay

        `last_triggered` stays whatever goes.
        """
        numbers = await self._database.read(
            lambda sql: doomed(sql, before=seconds(before), most_per_policy=most_per_policy)
        )
        if not numbers:
            return 0
        await self._database.write(lambda sql: forget(sql, numbers), background=True)
        return len(numbers)


def _queues_waiting(sql: sqlite3.Connection) -> dict[TargetKey, datetime]:
    found: dict[TargetKey, datetime] = {}
    policy_id, target_id = "", ""
    # One step of the index for each target, however many deliveries wait.
    while row := (
        _NEXT_TARGET.run(sql, policy_id=policy_id, target_id=target_id).fetchone()
        or _NEXT_POLICY.run(sql, policy_id=policy_id).fetchone()
    ):
        policy_id, target_id = row[0], row[1]
        found[TargetKey(policy_id=policy_id, target_id=target_id)] = moment(row[2])
    return found


def _of(target: TargetKey) -> dict[str, object]:
    return {"policy_id": target.policy_id, "target_id": target.target_id}
