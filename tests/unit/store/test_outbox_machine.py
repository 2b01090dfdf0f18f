"""The outbox as a state machine: whatever is done in whatever order, nothing vanishes and nothing doubles.

The model is a dictionary; the store is the real one, closed and opened again now and then.
"""

import asyncio
import sqlite3
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sidecar.model.delivery import (
    Accepted,
    Attempt,
    AttemptResult,
    Delivery,
    DeliveryState,
    Rejected,
    TargetKey,
    Unreachable,
)
from sidecar.store.outbox import Outbox
from sidecar.store.redelivery import redeliver
from sidecar.store.runs import Runs
from sidecar.store.sqlite import SqliteDatabase
from tests.support.builders import START
from tests.support.rows import store_event
from tests.unit.store.test_outbox import FAST, SLOW, a_delivery, an_event

T = TypeVar("T")
TARGETS = (FAST, SLOW)
REPOSITORIES = ("prj/a", "prj/b", "prj/c")
RESULTS = (
    Accepted(200),
    Rejected(400),
    Rejected(500),
    Rejected(503, retry_after_s=2.0),
    Unreachable("refused"),
)
WAITING, SENDING = DeliveryState.WAITING, DeliveryState.SENDING
DELIVERED, GIVEN_UP, CANCELLED = DeliveryState.DELIVERED, DeliveryState.GIVEN_UP, DeliveryState.CANCELLED
_FINAL = (DELIVERED, GIVEN_UP, CANCELLED)


@dataclass
class Kept:
    """What the model says of one delivery."""

    delivery: Delivery
    number: int  #: in the order of storing
    state: DeliveryState
    due: datetime | None
    failures: int = 0
    attempts: int = 0
    last: tuple[datetime, AttemptResult] | None = None
    ended_at: datetime | None = None


class OutboxMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = TemporaryDirectory()
        self.path = Path(self.folder.name) / "store.db"
        self.now = START
        self.model: dict[UUID, Kept] = {}
        self.stored = 0
        self.triggered: dict[str, datetime] = {}
        self._open()

    def _open(self) -> None:
        self.database = SqliteDatabase(self.path)
        self.database.open()
        self.outbox = Outbox(self.database, run="this")

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def of(self, *states: DeliveryState, target: TargetKey | None = None) -> list[Kept]:
        return [
            kept
            for kept in self.model.values()
            if kept.state in states and target in {None, kept.delivery.target}
        ]

    # What happens

    @rule(repository=st.sampled_from(REPOSITORIES), delay_s=st.integers(0, 3), times=st.integers(1, 2))
    def store(self, repository: str, delay_s: int, times: int) -> None:
        event = replace(an_event(repository), occurred_at=self.now)
        deliveries = [replace(a_delivery(event, target), created_at=self.now) for target in TARGETS]
        due = self.now + timedelta(seconds=delay_s)
        for _ in range(times):
            self.do(self.database.write(lambda sql: store_event(sql, event, deliveries, next_attempt_at=due)))
        for delivery in deliveries:
            self.model[delivery.id] = Kept(delivery, self.stored, WAITING, due)
            self.triggered[delivery.target.policy_id] = self.now
        self.stored += 1

    @rule(
        key=st.sampled_from(TARGETS),
        limit=st.integers(1, 4),
        skip=st.sets(st.sampled_from(REPOSITORIES[:2])),
    )
    def claim(self, key: TargetKey, limit: int, skip: set[str]) -> None:
        free = [kept for kept in self.of(WAITING, target=key) if kept.delivery.repository not in skip]
        due = [kept for kept in free if kept.due and kept.due <= self.now]
        expected = sorted(due, key=lambda kept: (kept.due, kept.number))[:limit]
        claimed = self.do(self.outbox.claim(key, limit=limit, now=self.now, skip=skip))
        assert [found.id for found in claimed.jobs] == [kept.delivery.id for kept in expected]
        assert claimed.is_full == (len(expected) == limit)
        for found, kept in zip(claimed.jobs, expected, strict=True):
            assert found == replace(kept.delivery, failures=kept.failures, attempts=kept.attempts)
            kept.state = SENDING
        if not claimed.is_full:
            left = [kept.due for kept in free if kept.state is WAITING and kept.due]
            assert claimed.next_due == min(left, default=None)

    @precondition(lambda self: self.of(SENDING))
    @rule(data=st.data(), result=st.sampled_from(RESULTS), wait_s=st.integers(1, 3), ends=st.booleans())
    def finish(self, data: st.DataObject, result: AttemptResult, wait_s: int, *, ends: bool) -> None:
        self._finish(data.draw(st.sampled_from(self.of(SENDING))), result, wait_s, ends=ends)

    def _finish(self, kept: Kept, result: AttemptResult, wait_s: int, *, ends: bool) -> None:
        state = DELIVERED if isinstance(result, Accepted) else GIVEN_UP if ends else WAITING
        kept.attempts += 1
        kept.failures += not isinstance(result, Accepted)
        kept.state, kept.last = state, (self.now, result)
        kept.due = self.now + timedelta(seconds=wait_s) if state is WAITING else None
        kept.ended_at = None if state is WAITING else self.now
        attempt = Attempt(
            delivery_id=kept.delivery.id,
            number=kept.attempts,
            started_at=self.now,
            duration_ms=0.0,
            result=result,
        )
        self.do(self.outbox.finish(attempt, state=state, next_attempt_at=kept.due))

    @rule(key=st.sampled_from(TARGETS), data=st.data(), away_s=st.integers(0, 5))
    def be_away_and_come_back(self, key: TargetKey, data: st.DataObject, away_s: int) -> None:
        """What is due is tried in vain; what comes then is tried at the very moment that it is back."""
        for _ in range(2):
            self.now += timedelta(seconds=1)
            self.store(data.draw(st.sampled_from(REPOSITORIES)), 0, 1)
            self.claim(key, 100, set())
            for kept in self.of(SENDING, target=key):
                self._finish(kept, data.draw(st.sampled_from(RESULTS[1:])), 5, ends=False)
        self.bring_forward(key, away_s)

    @precondition(lambda self: self.of(SENDING))
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        some = data.draw(st.lists(st.sampled_from(self.of(SENDING)), unique_by=lambda kept: kept.number))
        self.do(self.outbox.release([kept.delivery for kept in some]))
        for kept in some:
            kept.state = WAITING

    @rule(key=st.sampled_from(TARGETS))
    def cancel(self, key: TargetKey) -> None:
        waiting = self.of(WAITING, target=key)
        assert self.do(self.outbox.cancel_waiting(key, reason="removed")) == len(waiting)
        for kept in waiting:
            kept.state, kept.due, kept.ended_at = CANCELLED, None, datetime.now(UTC)

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        kept = data.draw(st.sampled_from(list(self.model.values())))
        beside = sqlite3.connect(self.path, isolation_level=None)
        assert redeliver(beside, [kept.delivery.id], at=self.now) == (kept.state is not SENDING)
        beside.close()
        if kept.state is not SENDING:
            kept.state, kept.due, kept.failures, kept.ended_at = WAITING, self.now, 0, None

    @rule(key=st.sampled_from(TARGETS), away_s=st.integers(0, 5))
    def bring_forward(self, key: TargetKey, away_s: int) -> None:
        since = self.now - timedelta(seconds=away_s)
        missed = [kept for kept in self.of(WAITING, target=key) if self._was_missed(kept, since)]
        number = self.do(self.outbox.bring_forward(key, away_since=since, back_at=self.now, limit=1000))
        assert number == len(missed)
        for kept in missed:
            kept.due = kept.delivery.created_at

    def _was_missed(self, kept: Kept, since: datetime) -> bool:
        if kept.last is None or kept.due is None or kept.due <= self.now:
            return False
        at, result = kept.last
        is_away = result in {Rejected(500), Unreachable("refused")}
        if isinstance(result, Rejected) and result.retry_after_s:
            is_away = at + timedelta(seconds=result.retry_after_s) <= self.now
        return is_away and at < self.now and kept.delivery.created_at > since

    @rule(age_s=st.integers(0, 5))
    def prune(self, age_s: int) -> None:
        before = self.now - timedelta(seconds=age_s)
        old = [kept for kept in self.of(*_FINAL) if kept.ended_at and kept.ended_at < before]
        assert self.do(self.outbox.prune(before=before, most_per_policy=1000)) <= len(old)
        while self.do(self.outbox.prune(before=before, most_per_policy=1000)):
            pass
        for kept in old:
            del self.model[kept.delivery.id]

    @rule()
    def restart(self) -> None:
        self.database.close()
        self._open()
        self.do(Runs(self.database, "next").begin(is_alone=True))
        for kept in self.of(SENDING):
            kept.state = WAITING

    @rule(seconds=st.integers(1, 5))
    def pass_time(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    # What always holds

    @invariant()
    def the_store_agrees(self) -> None:
        columns = "id, state, failures, attempts, next_attempt_at"
        rows = self.do(self._read(f"SELECT {columns} FROM deliveries"))
        assert {(UUID(row[0]), *row[1:4]) for row in rows} == {
            (identity, kept.state, kept.failures, kept.attempts) for identity, kept in self.model.items()
        }
        dues = {UUID(row[0]): row[4] for row in rows if row[1] == WAITING}
        assert dues == {kept.delivery.id: kept.due.timestamp() for kept in self.of(WAITING) if kept.due}

    @invariant()
    def who_waits_is_known(self) -> None:
        waiting = self.do(self.outbox.queues_waiting())
        assert waiting == {
            target: min(kept.due for kept in found if kept.due)
            for target in TARGETS
            if (found := self.of(WAITING, target=target))
        }

    @invariant()
    def events_and_attempts_live_as_long_as_their_deliveries(self) -> None:
        ids = {identity for (identity,) in self.do(self._read("SELECT id FROM events"))}
        assert ids == {str(kept.delivery.event_id) for kept in self.model.values()}
        (orphans,) = self.do(
            self._read("SELECT count(*) FROM attempts WHERE delivery_id NOT IN (SELECT id FROM deliveries)")
        )
        assert orphans == (0,)

    @invariant()
    def last_triggered_never_disappears(self) -> None:
        rows = self.do(self._read("SELECT policy_id, at FROM last_triggered"))
        assert dict(rows) == {policy: at.timestamp() for policy, at in self.triggered.items()}

    async def _read(self, query: str) -> list[tuple[Any, ...]]:
        return await self.database.read(lambda sql: sql.execute(query).fetchall())

    def teardown(self) -> None:
        self.database.close()
        self.loop.close()
        self.folder.cleanup()


OutboxMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestOutboxMachine = OutboxMachine.TestCase
