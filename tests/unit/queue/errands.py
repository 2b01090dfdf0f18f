"""A kind of job of the tests' own, in a real SQLite file: errands that are run for somebody.

Nothing of it is a delivery: that is how it is known that the queue knows nothing of them.
"""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

from sidecar.model.errors import StoreUnavailable
from sidecar.queue.circuit_breaker import AttemptOutcome, CircuitBreaker
from sidecar.queue.schedule import RetrySchedule, next_attempt_at

_TABLE = """
CREATE TABLE errands (seq INTEGER PRIMARY KEY, id TEXT, somebody TEXT, shop TEXT, stored_at REAL, due REAL,
    state TEXT DEFAULT 'waiting', failures INTEGER DEFAULT 0, reason TEXT DEFAULT '')
"""
_CLAIM = """
UPDATE errands SET state = 'claimed' WHERE seq IN (
    SELECT seq FROM errands WHERE state = 'waiting' AND somebody = ? AND due <= ?
    AND shop NOT IN (SELECT value FROM json_each(?)) ORDER BY due, seq LIMIT ?)
RETURNING seq, id, shop, failures
"""
_NEXT_DUE = """
SELECT min(due) FROM errands WHERE state = 'waiting' AND somebody = ?
AND shop NOT IN (SELECT value FROM json_each(?))
"""


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Errand:
    id: UUID
    order_key: str  #: the shop
    failures: int


@dataclass(frozen=True)
class ClaimedErrands:
    jobs: list[Errand]
    is_full: bool
    next_due: datetime | None


class Errands:
    """The `Jobs` of this kind; a queue is called by whom the errands are for."""

    def __init__(self, file: Path) -> None:
        self.sql = sqlite3.connect(file, timeout=0, isolation_level=None)
        self.sql.execute(_TABLE)
        self._callbacks: list[Callable[[frozenset[str]], None]] = []

    def store(self, somebody: str, *shops: str, due: datetime | None = None, is_told: bool = True) -> None:
        at = now().timestamp()
        self.sql.executemany(
            "INSERT INTO errands (id, somebody, shop, stored_at, due) VALUES (?, ?, ?, ?, ?)",
            ((str(uuid4()), somebody, shop, at, due.timestamp() if due else at) for shop in shops),
        )
        for callback in self._callbacks if is_told else ():
            callback(frozenset({somebody}))

    def states(self) -> list[str]:
        return [state for (state,) in self.sql.execute("SELECT state FROM errands ORDER BY seq")]

    async def until(self, *states: str) -> None:
        async with asyncio.timeout(20):
            while self.states() != list(states):
                await asyncio.sleep(0.01)

    def on_stored(self, callback: Callable[[frozenset[str]], None]) -> None:
        self._callbacks.append(callback)

    async def claim(
        self, somebody: str, *, limit: int, now: datetime, skip: Collection[str]
    ) -> ClaimedErrands:
        skipped = json.dumps(list(skip))
        try:
            rows = self.sql.execute(_CLAIM, (somebody, now.timestamp(), skipped, limit)).fetchall()
        except sqlite3.OperationalError as exc:
            raise StoreUnavailable(str(exc)) from exc
        is_full = len(rows) == limit
        (due,) = (None,) if is_full else self.sql.execute(_NEXT_DUE, (somebody, skipped)).fetchone()
        return ClaimedErrands(
            [Errand(UUID(name), shop, failures) for _, name, shop, failures in sorted(rows)],
            is_full=is_full,
            next_due=datetime.fromtimestamp(due, UTC) if due else None,
        )

    async def release(self, errands: Collection[Errand]) -> None:
        self.sql.executemany(
            "UPDATE errands SET state = 'waiting' WHERE id = ?", ((str(errand.id),) for errand in errands)
        )

    async def bring_forward(
        self, somebody: str, *, away_since: datetime, back_at: datetime, limit: int
    ) -> int:
        return self.sql.execute(
            "UPDATE errands SET due = stored_at WHERE seq IN (SELECT seq FROM errands WHERE somebody = ? "
            "AND state = 'waiting' AND stored_at > ? AND due > ? LIMIT ?)",
            (somebody, away_since.timestamp(), back_at.timestamp(), limit),
        ).rowcount

    async def cancel_waiting(self, somebody: str, *, reason: str) -> int:
        return self.sql.execute(
            "UPDATE errands SET state = 'cancelled', reason = ? WHERE state = 'waiting' AND somebody = ?",
            (reason, somebody),
        ).rowcount

    async def queues_waiting(self) -> dict[str, datetime]:
        rows = self.sql.execute(
            "SELECT somebody, min(due) FROM errands WHERE state = 'waiting' GROUP BY somebody"
        )
        return {somebody: datetime.fromtimestamp(due, UTC) for somebody, due in rows}

    def finish(self, errand: Errand, state: str, due: datetime | None) -> None:
        self.sql.execute(
            "UPDATE errands SET state = ?, due = ?, failures = failures + ? WHERE id = ?",
            (state, due.timestamp() if due else None, int(state != "done"), str(errand.id)),
        )


@dataclass
class Running:
    """The `Work` of this kind, for one queue. An errand ends as its shop says."""

    errands: Errands
    shops: dict[str, AttemptOutcome] = field(default_factory=dict)  #: of others SUCCEEDED
    schedule: RetrySchedule = field(default_factory=lambda: RetrySchedule(3, (0.01,)))
    reason: str = ""  #: why nothing may be run
    is_open: asyncio.Event = field(default_factory=asyncio.Event)  #: nothing ends before, but in quick shops
    quick: frozenset[str] = frozenset()
    last_shop: str = ""  #: after an errand there nothing may be run
    begun: list[Errand] = field(default_factory=list)
    under_way: list[str] = field(default_factory=list)
    most_under_way: int = 0
    back: int = 0
    log_fields: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.is_open.set()

    def closed_reason(self) -> str:
        return self.reason

    def first_wait_s(self) -> float:
        return self.schedule.wait_s(1)

    async def attempt(self, errand: Errand) -> AttemptOutcome:
        assert errand.order_key not in self.under_way, "one at a time in each shop"
        self.begun.append(errand)
        self.under_way.append(errand.order_key)
        self.most_under_way = max(self.most_under_way, len(self.under_way))
        try:
            if errand.order_key not in self.quick:
                await self.is_open.wait()
            await asyncio.sleep(0)
        finally:
            self.under_way.remove(errand.order_key)
        return self.shops.get(errand.order_key, AttemptOutcome.SUCCEEDED)

    def outcome_of(self, outcome: AttemptOutcome) -> AttemptOutcome:
        return outcome

    async def record(
        self, errand: Errand, outcome: AttemptOutcome, _breaker: CircuitBreaker
    ) -> datetime | None:
        due = None
        if outcome is not AttemptOutcome.SUCCEEDED:
            due = next_attempt_at(
                failures=errand.failures + 1,
                asked_s=None,
                schedule=self.schedule,
                now=now(),
                jitter=0.5,
            )
        state = "done" if outcome is AttemptOutcome.SUCCEEDED else "waiting" if due else "given_up"
        if errand.order_key == self.last_shop:
            self.reason = "alice has moved"
        self.errands.finish(errand, state, due)
        return due

    def cancelled(self, number: int, reason: str) -> None:
        assert (number > 0, reason) == (True, self.reason)

    def brought_forward(self, number: int) -> None:
        self.back += number

    async def until_begun(self, number: int) -> None:
        async with asyncio.timeout(20):
            while len(self.begun) < number:
                await asyncio.sleep(0.01)


async def settled() -> None:
    """Everything that could happen without waiting for time has happened."""
    for _ in range(100):
        await asyncio.sleep(0)
