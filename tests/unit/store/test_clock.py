"""What the store says of times after the clock was set back. Real SQLite throughout."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from sidecar.detectors.traces import taken_child
from sidecar.model.changes import Change, Decided, ManifestLearnt, TagLearnt, TraceLeft
from sidecar.model.delivery import Accepted, DeliveryState, TargetKey
from sidecar.model.exchange import Intent
from sidecar.model.memory import KnownManifest, Scope, SeenTag, Snapshot, Trace, TraceKind
from sidecar.model.names import Digest, parse_reference, repository_of
from sidecar.model.operation import PutManifest
from sidecar.store import clock as module
from sidecar.store.clock import StoredTimes
from sidecar.store.file import migrate
from sidecar.store.outbox import Outbox
from sidecar.store.schema import _CLOCK, MIGRATIONS
from sidecar.store.sqlite import SqliteDatabase
from sidecar.store.store import Store
from tests.support.builders import DOCKER, START, a_digest
from tests.support.rows import remember
from tests.unit.store.test_outbox import FAST, SLOW, a_delivery, an_attempt, an_event, claim, store

APP = repository_of("prj/app", default_project="library")
DIGEST = Digest(a_digest("one"))
HOUR = timedelta(hours=1)
NOW = START - HOUR  #: what the clock shows after it was set back
KNOWN = KnownManifest(media_type="m", content_bytes=1, children=(), platforms=(), is_attached=False)


def after(seconds: float) -> datetime:
    """So long after the clock was set back, by the clock from before."""
    return START + timedelta(seconds=seconds)


def a_trace(kind: TraceKind, at: datetime, *, tag: str = "") -> Trace:
    return Trace(kind=kind, client=DOCKER, repository=APP, digest=DIGEST, tag=tag, seen_at=at)


@pytest.fixture
def outbox(database: SqliteDatabase) -> Outbox:
    return Outbox(database, run="this")


@pytest.fixture
def times(database: SqliteDatabase, outbox: Outbox) -> StoredTimes:
    return StoredTimes(database, outbox, now=NOW.timestamp)


async def go_back(times: StoredTimes) -> None:
    await times.move_back(HOUR.total_seconds(), shown_s=NOW.timestamp())


async def column(database: SqliteDatabase, query: str, *values: Any) -> list[Any]:
    rows = await database.read(lambda sql: sql.execute(query, values).fetchall())
    return [row[0] for row in rows]


async def due_in_s(database: SqliteDatabase) -> list[float]:
    """How long deliveries still wait, in the order they were stored."""
    query = "SELECT next_attempt_at FROM deliveries ORDER BY seq"
    return [at - NOW.timestamp() for at in await column(database, query)]


async def test_deliveries_wait_no_longer_than_they_were_meant_to(
    database: SqliteDatabase, times: StoredTimes
) -> None:
    for seconds in (7200, -7200, 30, -30):
        await store(database, a_delivery(an_event()), at=after(seconds))
    await go_back(times)
    assert await due_in_s(database) == [7200, -3600, 30, 0]


async def test_what_was_due_stays_in_order(
    database: SqliteDatabase, outbox: Outbox, times: StoredTimes
) -> None:
    """Before the clock was set back, after it, and before anybody noticed."""
    deliveries = [a_delivery(an_event()) for _ in range(4)]
    for delivery, at in zip(deliveries, (after(-3601), after(-20), after(-10), NOW), strict=True):
        await store(database, delivery, at=at)
    await go_back(times)
    assert await claim(outbox, at=NOW) == deliveries


@pytest.mark.parametrize("number", [1, 3, 7])
async def test_what_is_being_sent_is_due_at_once_when_it_is_given_back(
    database: SqliteDatabase,
    outbox: Outbox,
    times: StoredTimes,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", 3)
    await store(database, *(a_delivery(an_event()) for _ in range(number)))
    claimed = await claim(outbox)
    await go_back(times)
    await outbox.release(claimed)
    assert await claim(outbox, at=NOW) == claimed


@pytest.mark.parametrize("number", [3, 4, 7])
async def test_every_delivery_of_every_target_is_moved_once(
    database: SqliteDatabase,
    outbox: Outbox,
    times: StoredTimes,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", 3)
    told: list[TargetKey] = []
    outbox.on_stored(told.extend)
    for target in (FAST, SLOW):
        many = [a_delivery(an_event(), target) for _ in range(number)]
        await store(database, *many, at=after(7200))
    await go_back(times)
    assert await due_in_s(database) == [7200.0] * 2 * number
    assert set(told) == {FAST, SLOW}


async def test_a_store_that_is_away_is_waited_for_and_nothing_moves_twice(
    database: SqliteDatabase, times: StoredTimes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", 1)
    monkeypatch.setattr(module, "_STORE_PAUSE_S", 0.01)
    await store(database, *(a_delivery(an_event()) for _ in range(20)), at=after(7200))
    connection = database._open_file._connection
    assert connection
    moving = asyncio.ensure_future(go_back(times))
    while not any(left == 7200 for left in await due_in_s(database)):
        await asyncio.sleep(0)
    connection.execute("PRAGMA query_only = ON")
    await asyncio.sleep(0.1)
    assert database.health.error
    assert not moving.done()
    connection.execute("PRAGMA query_only = OFF")
    await moving
    assert await due_in_s(database) == [7200.0] * 20


async def test_what_was_seen_is_seen_no_later_than_now(database: SqliteDatabase, times: StoredTimes) -> None:
    intent = Intent(
        id=uuid4(), operation=PutManifest(APP, parse_reference("v1")), client=DOCKER, opened_at=after(-5)
    )

    changes: list[Change] = []
    for seconds in (-4000, -5, 5):
        tag, at = f"v{seconds}", after(seconds)
        changes += (
            TagLearnt(APP, tag, SeenTag(digest=DIGEST, seen_at=at)),
            ManifestLearnt(APP, Digest(a_digest(tag)), KNOWN, at),
            TraceLeft(a_trace(TraceKind.RESOLVED, at, tag=tag)),
        )
    await Store(database).record(None, lambda _: Decided(changes=tuple(changes), opens=intent, run="this"))
    await go_back(times)
    now_s = NOW.timestamp()
    for table in ("tags", "manifests", "traces"):
        seen = await column(database, f"SELECT seen_at - ? FROM {table} ORDER BY seen_at", now_s)
        assert seen == [-400, -5, 0], table
    assert await column(database, "SELECT opened_at - ? FROM intents", now_s) == [-5]


async def test_children_that_were_taken_are_not_taken_for_an_hour(
    database: SqliteDatabase, times: StoredTimes
) -> None:
    minutes, scope = (
        timedelta(minutes=5),
        Scope(repository=APP, client=DOCKER, traces=((TraceKind.CHILD, DIGEST),)),
    )
    memory = Store(database)

    async def take(at: datetime) -> bool:
        def decide(found: Snapshot) -> Decided:
            again_since = at - timedelta(seconds=10)
            taken = taken_child(found.traces, DIGEST, at=at, since=at - minutes, again_since=again_since)
            return Decided(changes=(taken,) if taken else ())

        return bool((await memory.record(scope, decide)).changes)

    await remember(memory, TraceLeft(a_trace(TraceKind.CHILD, START)))
    assert await take(START)
    await go_back(times)
    assert await take(NOW + timedelta(seconds=5))
    assert not await take(NOW + timedelta(seconds=20))


async def test_what_has_happened_keeps_its_time(
    database: SqliteDatabase, outbox: Outbox, times: StoredTimes
) -> None:
    delivery = a_delivery(an_event())
    await store(database, delivery)
    await claim(outbox)
    await outbox.finish(
        an_attempt(delivery, Accepted(200)), state=DeliveryState.DELIVERED, next_attempt_at=None
    )
    await go_back(times)
    start_s = START.timestamp()
    assert await column(database, "SELECT occurred_at FROM events") == [start_s]
    assert await column(database, "SELECT created_at FROM deliveries") == [start_s]
    assert await column(database, "SELECT started_at FROM attempts") == [start_s]
    assert await column(database, "SELECT finished_at FROM deliveries") == [pytest.approx(start_s, abs=1)]


async def test_newest_is_what_was_noted_or_stored_last(database: SqliteDatabase, times: StoredTimes) -> None:
    assert await times.newest() == 0
    await times.note()
    assert await times.newest() == NOW.timestamp()
    await store(database, a_delivery(an_event()))
    assert await times.newest() == START.timestamp(), "a delivery that was stored since"
    await times.note()
    assert await times.newest() == NOW.timestamp(), "it keeps its time, and is older than the reading"
    assert await column(database, "SELECT count(*) FROM clock") == [1]


@pytest.mark.parametrize("kind", ["trace", "manifest", "intent"])
async def test_newest_may_be_what_is_remembered(
    database: SqliteDatabase, times: StoredTimes, kind: str
) -> None:
    at = START + HOUR
    intent = Intent(
        id=uuid4(), operation=PutManifest(APP, parse_reference("v1")), client=DOCKER, opened_at=at
    )

    match kind:
        case "trace":
            decision = Decided(changes=(TraceLeft(a_trace(TraceKind.PUSHED, at)),))
        case "manifest":
            decision = Decided(changes=(ManifestLearnt(APP, DIGEST, KNOWN, at),))
        case _:
            decision = Decided(opens=intent, run="this")
    await times.note()
    await Store(database).record(None, lambda _: decision)
    assert await times.newest() == at.timestamp()
    await times.move_back(2 * HOUR.total_seconds(), shown_s=NOW.timestamp())
    assert await times.newest() == NOW.timestamp()


async def test_reading_in_the_future_follows_when_all_else_has(
    database: SqliteDatabase, times: StoredTimes, outbox: Outbox
) -> None:
    await StoredTimes(database, outbox, now=START.timestamp).note()
    await go_back(times)
    assert await times.newest() == NOW.timestamp()


async def test_traces_that_come_to_lie_at_one_time_are_one(
    database: SqliteDatabase, times: StoredTimes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", 2)
    insert = (
        "INSERT INTO traces (kind, client, repository, digest, tag, seen_at, taken_at, untaken, connection) "
        "VALUES ('child', 'c', 'r', ?, '', ?, ?, 3, 'k')"
    )
    now_s, later_s = NOW.timestamp(), after(3600).timestamp()
    rows = [("a", now_s, None), ("a", later_s, None), ("a", later_s + 1, None), ("b", later_s, later_s)]
    await database.write(lambda sql: sql.executemany(insert, rows))
    await go_back(times)
    found = await database.read(
        lambda sql: sql.execute(
            "SELECT digest, seen_at, taken_at, untaken, connection FROM traces"
        ).fetchall()
    )
    assert found == [("a", now_s, None, 3, "k"), ("b", now_s, now_s, 3, "k")]


def test_what_the_clock_showed_to_an_older_version_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was kept as a trace, with the newest delivery as its tag."""
    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as sql:
        monkeypatch.setattr("sidecar.store.file.MIGRATIONS", MIGRATIONS[: MIGRATIONS.index(_CLOCK)])
        migrate(sql)
        insert = (
            "INSERT INTO traces (kind, client, repository, digest, tag, seen_at) VALUES (?, '', '', '', ?, ?)"
        )
        sql.executemany(insert, [("clock", "17", 5.5), ("pushed", "v1", 9.0)])
        monkeypatch.undo()
        migrate(sql)
        assert sql.execute("SELECT shown_at, newest_seq FROM clock").fetchall() == [(5.5, 17)]
        assert sql.execute("SELECT kind FROM traces").fetchall() == [("pushed",)]
