"""Room that is reserved for a write ends with its intent, or with the lease of the run that opened it."""

import sqlite3
from uuid import uuid4

import pytest

from sidecar.model.exchange import Intent
from sidecar.store.intents import open_intent
from sidecar.store.reservations import Reservations
from sidecar.store.runs import Runs
from sidecar.store.sqlite import SqliteDatabase
from sidecar.store.store import Store
from tests.unit.store.test_store import an_intent


async def opened(
    database: SqliteDatabase, size_bytes: int, *, run: str = "this", project: str = "prj"
) -> Intent:
    """In one transaction, as a quota does it."""
    intent = an_intent()

    def work(sql: sqlite3.Connection) -> None:
        open_intent(sql, intent, run=run)
        Reservations(sql).reserve(intent.id, project=project, size_bytes=size_bytes)

    await database.write(work)
    return intent


async def reserved(database: SqliteDatabase, project: str = "prj") -> int:
    return await database.read(lambda sql: Reservations(sql).reserved_in(project))


async def test_what_is_reserved_is_counted_for_each_project(database: SqliteDatabase) -> None:
    await Runs(database, "this").begin()
    for size_bytes, project in ((10, "prj"), (5, "prj"), (7, "other")):
        await opened(database, size_bytes, project=project)
    assert [await reserved(database, project) for project in ("prj", "other", "none")] == [15, 7, 0]


async def test_a_reservation_ends_with_its_intent(database: SqliteDatabase) -> None:
    await Runs(database, "this").begin()
    intent = await opened(database, 10)
    await opened(database, 5)
    await Store(database).close_intent(intent.id)
    assert await reserved(database) == 5
    rows = await database.read(lambda sql: sql.execute("SELECT count(*) FROM reservations").fetchone())
    assert rows == (1,)


async def test_a_reservation_ends_with_the_lease_of_its_run_and_comes_back_with_it(
    database: SqliteDatabase,
) -> None:
    main, worker = Runs(database, "main"), Runs(database, "worker")
    await worker.begin()
    await opened(database, 10, run="worker")
    assert await reserved(database) == 10
    await main.begin(is_alone=True)
    assert await reserved(database) == 0
    await worker.renew()
    assert await reserved(database) == 10


async def test_an_intent_that_is_noted_again_keeps_its_reservation_and_one_that_is_disowned_does_not(
    database: SqliteDatabase,
) -> None:
    await Runs(database, "this").begin()
    intent = await opened(database, 10)
    await database.write(lambda sql: open_intent(sql, intent, run="this"))
    assert await reserved(database) == 10
    await database.write(lambda sql: Reservations(sql).reserve(intent.id, project="prj", size_bytes=25))
    assert await reserved(database) == 25
    await Store(database).disown_intent(intent.id)
    assert await reserved(database) == 0


async def test_nothing_is_reserved_without_an_intent(database: SqliteDatabase) -> None:
    def work(sql: sqlite3.Connection) -> None:
        Reservations(sql).reserve(uuid4(), project="prj", size_bytes=1)

    with pytest.raises(sqlite3.IntegrityError):
        await database.write(work)
