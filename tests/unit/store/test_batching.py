"""Many who ask at once are answered by few units of work, each with its own answer."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from sidecar.model.errors import StoreUnavailable
from sidecar.store.batching import Batching
from sidecar.store.sqlite import SqliteDatabase


class Numbers:
    """Work that writes numbers down; negative ones are at fault."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def __call__(self, sql: sqlite3.Connection, asked: list[int]) -> list[str]:
        self.sizes.append(len(asked))
        sql.execute("CREATE TABLE IF NOT EXISTS numbers (n INTEGER PRIMARY KEY)")
        for number in asked:
            sql.execute("INSERT INTO numbers VALUES (?)", (number,))
            if number < 0:
                raise ValueError(f"{number} is negative")
        return [str(number) for number in asked]


async def numbers_in(database: SqliteDatabase) -> list[int]:
    rows = await database.read(lambda sql: sql.execute("SELECT n FROM numbers ORDER BY n").fetchall())
    return [number for (number,) in rows]


async def test_all_of_one_turn_are_answered_by_few_units(database: SqliteDatabase) -> None:
    work = Numbers()
    batching = Batching(database, work)
    assert await asyncio.gather(*map(batching.ask, range(150))) == [str(n) for n in range(150)]
    assert work.sizes == [64, 64, 22]
    assert await numbers_in(database) == list(range(150))
    assert await batching.ask(150) == "150"


async def test_the_one_at_fault_takes_no_other_with_it(database: SqliteDatabase) -> None:
    batching = Batching(database, Numbers())
    answers = await asyncio.gather(*map(batching.ask, [1, -2, 3]), return_exceptions=True)
    assert (answers[0], answers[2]) == ("1", "3")
    assert isinstance(answers[1], ValueError)
    assert await numbers_in(database) == [1, 3]


async def test_who_stops_waiting_leaves_the_others_their_answers(database: SqliteDatabase) -> None:
    batching = Batching(database, Numbers())
    first, second = (asyncio.ensure_future(batching.ask(n)) for n in (1, 2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == "2"
    assert await numbers_in(database) == [1, 2]


@pytest.mark.parametrize("is_kept", [True, False])
async def test_a_store_that_is_away_is_said_and_what_must_not_be_lost_is_written_later(
    tmp_path: Path, *, is_kept: bool
) -> None:
    blocker = tmp_path / "volume"
    blocker.write_text("not mounted yet")
    database = SqliteDatabase(blocker / "store.db")
    database.open()
    batching = Batching(database, Numbers(), weight=(lambda _: 100) if is_kept else None)
    answers = await asyncio.gather(*map(batching.ask, [1, 2]), return_exceptions=True)
    assert [type(answer) for answer in answers] == [StoreUnavailable] * 2
    blocker.unlink()
    async with asyncio.timeout(10):
        while True:
            try:
                await batching.ask(3)
                break
            except StoreUnavailable:
                await asyncio.sleep(0.05)
    expected = [1, 2, 3] if is_kept else [3]
    assert await numbers_in(database) == expected
    await asyncio.to_thread(database.close)
