"""Leases: who is alive, and what becomes of the work of who is not."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.model.changes import Decided
from sidecar.model.errors import StoreUnavailable
from sidecar.store.outbox import Outbox
from sidecar.store.runs import LEASE_S, RENEWED_EVERY_S, Runs
from sidecar.store.sqlite import SqliteDatabase
from sidecar.store.store import Store
from tests.support.builders import START
from tests.unit.store.test_outbox import FAST, a_delivery, an_event, claim, store
from tests.unit.store.test_store import an_intent


class Clocks:
    """One that may be set, and one that nobody sets."""

    now_s = 1_000_000.0
    monotonic_s = 0.0

    def pass_time(self, seconds: float) -> None:
        self.now_s += seconds
        self.monotonic_s += seconds


class House:
    """A database with the runs of several processes."""

    def __init__(self, database: SqliteDatabase) -> None:
        self.database = database
        self.clocks = Clocks()
        self.main = self.run("main")
        self.worker = self.run("worker")

    def run(self, name: str) -> Runs:
        clocks = self.clocks
        return Runs(self.database, name, now=lambda: clocks.now_s, monotonic=lambda: clocks.monotonic_s)

    async def pass_time(self, seconds: float, *, renewing: tuple[Runs, ...] = ()) -> None:
        """As the program does it: each renews, the main one looks at the others."""
        for _ in range(int(seconds / RENEWED_EVERY_S)):
            self.clocks.pass_time(RENEWED_EVERY_S)
            for each in renewing:
                await each.renew()
            await self.main.renew_and_watch()

    async def opens_intent(self, run: str) -> None:
        await Store(self.database).record(None, lambda _: Decided(opens=an_intent(), run=run))

    async def left_open(self) -> int:
        return len(await Store(self.database).intents_left_open())


@pytest.fixture
def house(database: SqliteDatabase) -> House:
    return House(database)


async def test_a_run_that_renews_is_alive_and_one_that_does_not_is_over_when_its_lease_is(
    house: House,
) -> None:
    await house.main.begin(is_alone=True)
    await house.worker.begin()
    await house.opens_intent("worker")
    await house.pass_time(4 * LEASE_S, renewing=(house.worker,))
    assert await house.left_open() == 0
    await house.pass_time(LEASE_S - RENEWED_EVERY_S)
    assert await house.left_open() == 0
    await house.pass_time(RENEWED_EVERY_S)
    assert await house.left_open() == 1


async def test_a_run_that_was_thought_dead_is_alive_again_when_it_renews(house: House) -> None:
    await house.main.begin(is_alone=True)
    await house.worker.begin()
    await house.opens_intent("worker")
    await house.pass_time(2 * LEASE_S)
    assert await house.left_open() == 1
    await house.worker.renew()
    assert await house.left_open() == 0


@pytest.mark.parametrize("by_s", [-1e6, 1e9])
async def test_a_clock_that_is_set_makes_nobody_dead_and_keeps_nobody_alive(
    house: House, by_s: float
) -> None:
    await house.main.begin(is_alone=True)
    await house.worker.begin()
    await house.run("dead").begin()
    await house.opens_intent("worker")
    await house.pass_time(RENEWED_EVERY_S, renewing=(house.worker,))
    house.clocks.now_s += by_s
    await house.pass_time(LEASE_S, renewing=(house.worker,))
    assert await house.left_open() == 0
    await house.opens_intent("dead")
    assert await house.left_open() == 1


async def test_a_process_that_is_alone_ends_all_other_runs_at_once(house: House) -> None:
    outbox = Outbox(house.database, run="before")
    await house.run("before").begin(is_alone=True)
    await house.opens_intent("before")
    delivery = a_delivery(an_event())
    await store(house.database, delivery)
    assert await claim(outbox) == [delivery]
    await house.main.begin(is_alone=True)
    assert await house.left_open() == 1
    assert await claim(outbox) == [delivery]


async def test_what_a_dead_run_was_sending_is_sent_by_another_and_what_a_live_one_sends_is_not(
    house: House,
) -> None:
    mine, others = Outbox(house.database, run="main"), Outbox(house.database, run="other")
    await house.main.begin(is_alone=True)
    await house.run("other").begin()
    first, second = a_delivery(an_event("prj/first")), a_delivery(an_event("prj/second"))
    await store(house.database, first)
    assert await claim(mine) == [first]
    await store(house.database, second)
    assert await claim(others) == [second]
    await house.pass_time(2 * LEASE_S)
    assert await claim(mine) == [second]


async def test_the_end_of_a_process_that_is_seen_ends_its_lease_at_once(house: House) -> None:
    await house.main.begin(is_alone=True)
    await house.worker.begin()
    await house.opens_intent("worker")
    await house.main.end("worker")
    assert await house.left_open() == 1


async def test_runs_that_ended_long_ago_are_forgotten(house: House) -> None:
    await house.main.begin(is_alone=True)
    for number in range(3):
        await house.run(f"old-{number}").begin()
        await house.pass_time(2 * LEASE_S)
    house.clocks.pass_time(7200)
    await house.run("late").begin()
    await house.pass_time(2 * LEASE_S)
    found = await house.database.read(lambda sql: sql.execute("SELECT id FROM runs ORDER BY id").fetchall())
    assert [name for (name,) in found] == ["late", "main"]


class _Blocked:
    """While it lasts, the file cannot be written: another holds its lock."""

    def __init__(self, path: Path) -> None:
        self._sql = sqlite3.connect(path, isolation_level=None)

    def __enter__(self) -> None:
        self._sql.execute("BEGIN IMMEDIATE")

    def __exit__(self, *_: object) -> None:
        self._sql.execute("ROLLBACK")
        self._sql.close()


@pytest.fixture
def impatient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqliteDatabase]:
    monkeypatch.setattr("sidecar.store.file._BUSY_TIMEOUT_MS", 1)
    opened = SqliteDatabase(tmp_path / "store.db")
    opened.open()
    yield opened
    opened.close()


async def test_nobody_is_judged_while_the_store_cannot_be_written(
    impatient: SqliteDatabase, tmp_path: Path
) -> None:
    house = House(impatient)
    await house.main.begin(is_alone=True)
    await house.worker.begin()
    await house.opens_intent("worker")
    await house.pass_time(RENEWED_EVERY_S, renewing=(house.worker,))
    with _Blocked(tmp_path / "store.db"):
        for _ in range(10):
            house.clocks.pass_time(RENEWED_EVERY_S)
            with pytest.raises(StoreUnavailable):
                await house.main.renew_and_watch()
    await house.main.renew_and_watch()
    assert await house.left_open() == 0
    await house.pass_time(RENEWED_EVERY_S, renewing=(house.worker,))
    assert await house.left_open() == 0


async def test_a_first_lease_that_cannot_be_written_comes_before_what_is_claimed_later(
    impatient: SqliteDatabase, tmp_path: Path
) -> None:
    house, outbox = House(impatient), Outbox(impatient, run="main")
    delivery = a_delivery(an_event())
    await store(impatient, delivery)
    assert await claim(Outbox(impatient, run="before")) == [delivery]
    with _Blocked(tmp_path / "store.db"), pytest.raises(StoreUnavailable):
        await house.main.begin(is_alone=True)
    assert await claim(outbox) == [delivery]
    assert (await outbox.claim(FAST, limit=1, now=START, skip=())).jobs == []
