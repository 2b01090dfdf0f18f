"""What is noticed of a clock that is set, and what the store then says; with a real store."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from sidecar.recording.clock import ClockFollower, ClockWatch
from sidecar.store.clock import StoredTimes
from sidecar.store.outbox import Outbox
from sidecar.store.sqlite import SqliteDatabase
from tests.support.builders import START
from tests.unit.store.test_outbox import a_delivery, an_event, store

HOUR_S = 3600.0


@dataclass
class Clock:
    """A wall clock that can be set, and one that cannot."""

    now_s: float = START.timestamp()
    monotonic_s: float = 1000.0

    def go_on(self, seconds: float = 1.0) -> None:
        self.now_s += seconds
        self.monotonic_s += seconds

    def now(self) -> float:
        return self.now_s

    def monotonic(self) -> float:
        return self.monotonic_s


def a_watch(clock: Clock) -> ClockWatch:
    return ClockWatch(clock.now, clock.monotonic)


def test_clock_that_goes_on_was_not_set() -> None:
    clock = Clock()
    watch = a_watch(clock)
    for seconds in (0.0, 1.0, 7200.0):
        clock.go_on(seconds)
        assert watch.look().by_s == 0


@pytest.mark.parametrize("by_s", [-86_400.0, -2.1, 2.1, 86_400.0])
def test_step_is_told_once_with_what_the_clock_showed_at_the_look_before(by_s: float) -> None:
    clock = Clock()
    watch = a_watch(clock)
    before_s = clock.now_s
    clock.go_on()
    clock.now_s += by_s
    step = watch.look()
    assert step.by_s == pytest.approx(by_s)
    assert step.shown_s == pytest.approx(before_s + by_s)
    clock.go_on()
    assert watch.look().by_s == 0


def test_gradual_adjustment_is_no_step() -> None:
    clock = Clock()
    watch = a_watch(clock)
    for _ in range(60):
        clock.go_on()
        clock.now_s -= 0.5
        assert watch.look().by_s == 0


class Program:
    """A follower on a real store."""

    def __init__(self, path: Path) -> None:
        self.clock = Clock()
        self.database = SqliteDatabase(path)
        self.database.open()
        self.outbox = Outbox(self.database, run="this")
        self.start()

    def start(self) -> None:
        times = StoredTimes(self.database, self.outbox, now=self.clock.now)
        self.follower = ClockFollower(times, now=self.clock.now, monotonic=self.clock.monotonic)

    async def due_in_s(self) -> float:
        """How long the one delivery still waits."""
        (due,) = await self.database.read(
            lambda sql: sql.execute("SELECT next_attempt_at FROM deliveries").fetchone()
        )
        return float(due) - self.clock.now_s

    async def steps(self) -> list[tuple[str, float]]:
        """What one look tells."""
        with capture_logs() as lines:
            await self.follower.look()
        return [(line["event"], line["seconds"]) for line in lines]


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    it = Program(tmp_path / "store.db")
    yield it
    it.database.close()


async def test_what_waits_follows_a_clock_that_goes_back(program: Program) -> None:
    assert await program.steps() == []
    await store(program.database, a_delivery(an_event()), at=START + timedelta(seconds=30))
    program.clock.go_on()
    program.clock.now_s -= HOUR_S
    assert await program.steps() == [("clock.went_back", HOUR_S)]
    assert await program.due_in_s() == pytest.approx(29)
    program.clock.go_on()
    assert await program.steps() == []
    assert await program.due_in_s() == pytest.approx(28)


async def test_step_back_is_seen_at_the_start_by_what_the_store_says(program: Program) -> None:
    await store(program.database, a_delivery(an_event()), at=START + timedelta(seconds=30))
    program.clock.now_s -= HOUR_S
    program.start()
    assert await program.steps() == [("clock.went_back", HOUR_S)]
    assert await program.due_in_s() == pytest.approx(30)
    program.start()
    assert await program.steps() == [], "the next start knows that this is done"


async def test_step_back_after_a_quiet_time_is_seen_within_a_minute(program: Program) -> None:
    await store(program.database, a_delivery(an_event()), at=START + timedelta(hours=5))
    for _ in range(4 * 60):
        program.clock.go_on(60)
        assert await program.steps() == []
    program.clock.go_on(20)
    program.clock.now_s -= 24 * HOUR_S
    program.start()
    assert await program.steps() == [("clock.went_back", 24 * HOUR_S - 20)]
    assert await program.due_in_s() == pytest.approx(HOUR_S, abs=60)


async def test_step_forward_and_back_between_two_looks_is_seen_by_what_was_stored(program: Program) -> None:
    assert await program.steps() == []
    program.clock.now_s += HOUR_S
    later = StoredTimes(program.database, program.outbox, now=program.clock.now)
    await later.note()
    await store(program.database, a_delivery(an_event()), at=START + timedelta(seconds=HOUR_S + 30))
    program.clock.now_s -= HOUR_S
    assert await program.steps() == [("clock.went_back", HOUR_S)]
    assert await program.due_in_s() == pytest.approx(30)


async def test_clock_that_was_set_forward_is_ahead_until_it_is_set_back(program: Program) -> None:
    assert await program.steps() == []
    program.clock.now_s += HOUR_S
    assert await program.steps() == [("clock.went_forward", HOUR_S)]
    assert program.follower.ahead == timedelta(hours=1)
    program.clock.now_s -= HOUR_S
    assert await program.steps() == [("clock.went_back", HOUR_S)]
    assert program.follower.ahead == timedelta(0)
    program.clock.now_s -= HOUR_S
    await program.steps()
    assert program.follower.ahead == timedelta(0)
