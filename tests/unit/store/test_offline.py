import sqlite3
from pathlib import Path

import pytest

from sidecar.model.errors import StoreUnavailable
from sidecar.store.offline import open_offline
from sidecar.store.schema import MIGRATIONS
from sidecar.store.sqlite import SqliteDatabase


def test_what_is_not_there_is_said_and_not_made(tmp_path: Path) -> None:
    path = tmp_path / "sidecar.db"
    with pytest.raises(StoreUnavailable, match="there is no database at"), open_offline(path):
        pass
    assert not path.exists()


@pytest.mark.parametrize("version", [0, len(MIGRATIONS) + 1])
def test_a_file_of_another_version_is_refused(tmp_path: Path, version: int) -> None:
    path = tmp_path / "a b#c.db"
    made = sqlite3.connect(path)
    made.execute(f"PRAGMA user_version = {version}")
    made.close()
    with pytest.raises(StoreUnavailable, match=f"schema {version}"), open_offline(path):
        pass


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sidecar.db"
    path.write_text("not a database" * 1000)
    with pytest.raises(StoreUnavailable, match="not a database"), open_offline(path):
        pass


async def test_it_reads_beside_the_sidecar_and_writes_only_when_asked_to(
    database: SqliteDatabase, tmp_path: Path
) -> None:
    insert = "INSERT INTO last_triggered (policy_id, event_type, at) VALUES ('p', 'pushImage', 1)"
    path = tmp_path / "store.db"
    await database.write(lambda sql: sql.execute(insert))
    with open_offline(path) as reading:
        assert reading.execute("SELECT count(*) FROM last_triggered").fetchone() == (1,)
    with pytest.raises(StoreUnavailable, match="readonly"), open_offline(path) as reading:
        reading.execute("DELETE FROM last_triggered")
    with open_offline(path, writable=True) as writing:
        writing.execute("DELETE FROM last_triggered")
    assert await database.read(lambda sql: sql.execute("SELECT 1 FROM last_triggered").fetchall()) == []
