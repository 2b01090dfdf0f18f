"""The writer thread: grouping, isolation of units, and a store that cannot be written."""

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from sidecar.model.errors import StoreUnavailable
from sidecar.store.file import files_put_aside, migrate
from sidecar.store.schema import MIGRATIONS
from sidecar.store.sqlite import SqliteDatabase


def note(tag: str) -> Callable[[sqlite3.Connection], None]:
    def work(sql: sqlite3.Connection) -> None:
        sql.execute(
            "INSERT INTO tags (repository, tag, digest, seen_at) VALUES ('prj/app', ?, 'sha256:x', 0)", (tag,)
        )

    return work


def fill_up(sql: sqlite3.Connection) -> None:
    """Let the file grow no further: SQLite then answers as it does on a full disk."""
    (pages,) = sql.execute("PRAGMA page_count").fetchone()
    sql.execute(f"PRAGMA max_page_count = {pages}")


def empty_again(sql: sqlite3.Connection) -> None:
    sql.execute("PRAGMA max_page_count = 1073741823")


def big(tag: str) -> Callable[[sqlite3.Connection], None]:
    def work(sql: sqlite3.Connection) -> None:
        sql.execute(
            "INSERT INTO tags (repository, tag, digest, seen_at) VALUES ('prj/app', ?, ?, 0)",
            (tag, "x" * 100_000),
        )

    return work


async def tags(database: SqliteDatabase) -> list[str]:
    return [row[0] for row in await database.read(lambda sql: sql.execute("SELECT tag FROM tags").fetchall())]


async def test_many_writers_share_commits(database: SqliteDatabase) -> None:
    commits = 0

    def trace(statement: str) -> None:
        nonlocal commits
        commits += statement == "COMMIT"

    await database.write(lambda sql: sql.set_trace_callback(trace))
    await asyncio.gather(*(database.write(note(f"v{n}")) for n in range(300)))
    assert len(await tags(database)) == 300
    assert commits < 150


async def test_a_unit_that_fails_takes_no_other_with_it(database: SqliteDatabase) -> None:
    def broken(sql: sqlite3.Connection) -> None:
        note("half")(sql)
        raise ValueError("our own bug")

    results = await asyncio.gather(
        database.write(note("before")),
        database.write(broken),
        database.write(note("after")),
        return_exceptions=True,
    )
    assert isinstance(results[1], ValueError)
    assert sorted(await tags(database)) == ["after", "before"]


async def test_committed_means_another_connection_sees_it(database: SqliteDatabase, tmp_path: Path) -> None:
    await database.write(note("v1"))
    other = sqlite3.connect(tmp_path / "store.db")
    assert other.execute("SELECT tag FROM tags").fetchall() == [("v1",)]
    assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    other.close()


async def test_disk_full_keeps_what_must_not_be_lost_and_writes_it_later(database: SqliteDatabase) -> None:
    await database.write(fill_up)
    with pytest.raises(StoreUnavailable, match="full"):
        await database.write(big("kept"), keep=True, events=1)
    with pytest.raises(StoreUnavailable):
        await database.write(big("not kept"))
    assert database.health.error
    assert database.health.pending_events == 1
    await _until_writable(database)
    assert await tags(database) == ["kept"]
    assert database.health.pending_events == 0


async def _until_writable(database: SqliteDatabase) -> None:
    # The pragma needs no page, but shares its group with what is kept: sent on the writer's connection.
    connection = database._open_file._connection
    assert connection is not None
    connection.execute("PRAGMA max_page_count = 1073741823")
    async with asyncio.timeout(5):
        while database.health.error:
            await asyncio.sleep(0.05)


async def test_memory_for_kept_units_is_bounded_and_the_loss_is_counted(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "store.db", most_pending=2)
    database.open()
    await database.write(fill_up)
    for n in range(5):
        with pytest.raises(StoreUnavailable):
            await database.write(big(f"v{n}"), keep=True, events=1)
    assert database.health.pending_events == 2
    assert database.health.lost == 3
    await _until_writable(database)
    assert sorted(await tags(database)) == ["v0", "v1"]
    database.close()


async def test_a_file_that_cannot_be_opened_is_tried_again(tmp_path: Path) -> None:
    blocker = tmp_path / "volume"
    blocker.write_text("a file where the directory should be")
    database = SqliteDatabase(blocker / "store.db")
    database.open()
    assert database.health.error
    with pytest.raises(StoreUnavailable):
        await database.write(note("kept"), keep=True, events=1)
    blocker.unlink()
    async with asyncio.timeout(5):
        while database.health.error:
            await asyncio.sleep(0.05)
    assert await tags(database) == ["kept"]
    database.close()


async def test_close_writes_what_is_queued(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "store.db")
    database.open()
    writes = [asyncio.ensure_future(database.write(note(f"v{n}"))) for n in range(50)]
    await asyncio.sleep(0)
    await asyncio.to_thread(database.close)
    await asyncio.gather(*writes)
    connection = sqlite3.connect(tmp_path / "store.db")
    assert connection.execute("SELECT count(*) FROM tags").fetchone() == (50,)
    connection.close()


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(sqlite3.DatabaseError, match="newer version"):
        migrate(connection)
    connection.close()


def test_migrating_twice_changes_nothing(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    migrate(connection)
    before = connection.execute("SELECT sql FROM sqlite_master").fetchall()
    migrate(connection)
    assert connection.execute("SELECT sql FROM sqlite_master").fetchall() == before
    connection.close()


async def test_a_unit_that_would_end_its_thread_harms_no_other(database: SqliteDatabase) -> None:
    def ends(_: sqlite3.Connection) -> None:
        raise SystemExit

    with pytest.raises(RuntimeError, match="SystemExit"):
        await database.write(ends)
    await database.write(note("after"))
    assert await tags(database) == ["after"]


async def test_a_fault_of_the_writer_itself_is_told_and_what_must_be_kept_is_kept(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[str] = []
    monkeypatch.setattr(database._writer, "_on_failure", lambda name, _: failed.append(name))

    def raises(_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(database._writer, "_commit", raises)
        with pytest.raises(StoreUnavailable, match="the writer failed: MemoryError"):
            await asyncio.wait_for(database.write(note("kept"), keep=True, events=1), 5)
        patch.setattr(database._writer._pending, "add", lambda *_: raises(None))
        with pytest.raises(StoreUnavailable, match="the writer failed: MemoryError"):
            await asyncio.wait_for(database.write(note("x")), 5)
    await database.write(note("after"))
    assert await tags(database) == ["after", "kept"]
    assert set(failed) == {"store"}


async def test_what_is_no_event_is_not_said_to_be_lost_at_the_end(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "store.db")
    database.open()
    await database.write(fill_up)
    with pytest.raises(StoreUnavailable):
        await database.write(big("bookkeeping"), keep=True)
    with capture_logs() as lines:
        await asyncio.to_thread(database.close)
    assert [line["event"] for line in lines] == ["store.closed_unwritten"]


async def test_an_event_that_was_not_written_is_said_to_be_lost_at_the_end(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "store.db")
    database.open()
    await database.write(fill_up)
    with pytest.raises(StoreUnavailable):
        await database.write(big("event"), keep=True, events=1)
    with capture_logs() as lines:
        await asyncio.to_thread(database.close)
    assert [(line["event"], line["lost"]) for line in lines] == [("store.closed_with_loss", 1)]


async def test_damage_that_only_a_reader_meets_puts_the_file_aside(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    database = SqliteDatabase(path)
    database.open()
    for n in range(20):
        await database.write(big(f"v{n}"))
    await asyncio.to_thread(database.close)
    with path.open("r+b") as file:
        file.seek(600_000)
        file.write(b"\xff" * 900_000)
    database = SqliteDatabase(path)
    database.open()
    assert database.health.error == ""
    with pytest.raises(StoreUnavailable, match="malformed"):
        await tags(database)
    await database.write(note("after"))
    assert await tags(database) == ["after"]
    assert database.health.put_aside == len(files_put_aside(path)) == 1
    database.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_writer_thread_that_has_ended_is_replaced(database: SqliteDatabase) -> None:
    class Ends(deque[object]):
        def __bool__(self) -> bool:
            if threading.current_thread().name == "store-writer":
                raise SystemExit  # where nothing of ours is tried: threading itself lets this pass
            return super().__len__() > 0

    writer = database._writer._thread
    assert writer is not None
    whole, database._writer._background = database._writer._background, Ends()  # type: ignore[assignment]
    database.post(lambda _: None)
    await asyncio.to_thread(writer.join, 10)
    assert not writer.is_alive()
    database._writer._background = whole
    await asyncio.wait_for(database.write(note("after")), 5)
    assert await tags(database) == ["after"]
