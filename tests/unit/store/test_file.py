import os
import sqlite3
from pathlib import Path

import pytest

from sidecar.store.faults import NotOurs
from sidecar.store.file import DatabaseFile, files_put_aside


def test_only_its_user_may_read_the_files_and_the_folder(tmp_path: Path) -> None:
    path = tmp_path / "data" / "sidecar.db"
    mask = os.umask(0o022)
    try:
        DatabaseFile(path).open().execute("CREATE TABLE t (x)").close()
    finally:
        os.umask(mask)
    modes = {found.name: found.stat().st_mode & 0o777 for found in path.parent.iterdir()}
    assert modes == dict.fromkeys(modes, 0o600)
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_files_of_earlier_versions_are_closed_to_others(tmp_path: Path) -> None:
    path = tmp_path / "sidecar.db"
    DatabaseFile(path).open().close()
    path.chmod(0o644)
    tmp_path.chmod(0o755)
    DatabaseFile(path).open().close()
    assert (path.stat().st_mode & 0o777, tmp_path.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_folder_that_others_use_too_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    tmp_path.chmod(0o755)
    DatabaseFile(tmp_path / "sidecar.db").open().close()
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_a_damaged_file_is_put_aside_with_what_belongs_to_it(tmp_path: Path) -> None:
    path = tmp_path / "sidecar.db"
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").write_text(f"content{suffix}")
    now_s = 0.0
    file = DatabaseFile(path, monotonic=lambda: now_s)
    assert file.put_aside(NotOurs("x"))
    (name,) = files_put_aside(path)
    assert [(tmp_path / f"{name}{suffix}").read_text() for suffix in ("", "-wal", "-shm")] == [
        "content",
        "content-wal",
        "content-shm",
    ]
    path.touch()
    now_s = 59.0
    assert not file.put_aside(NotOurs("x")), "a disk that damages every file must not fill the folder"
    now_s = 60.0
    assert file.put_aside(NotOurs("x"))
    assert file.put_aside_count == len(files_put_aside(path)) == 2


def test_what_is_not_damaged_stays_and_so_does_what_belongs_to_another_process(tmp_path: Path) -> None:
    path = tmp_path / "sidecar.db"
    path.touch()
    assert not DatabaseFile(path).put_aside(sqlite3.OperationalError("database is locked"))
    assert not DatabaseFile(path, may_put_aside=False).put_aside(NotOurs("x"))
    assert path.exists()


@pytest.mark.parametrize("version", [0, 2, 4, -1])
def test_a_database_with_other_tables_is_not_ours_and_not_touched(tmp_path: Path, version: int) -> None:
    path = tmp_path / "sidecar.db"
    with sqlite3.connect(path) as sql:
        sql.execute("CREATE TABLE bookmarks (url TEXT)")
        sql.execute(f"PRAGMA user_version = {version}")
    sql.close()
    before = path.read_bytes()
    with pytest.raises(NotOurs):
        DatabaseFile(path).open()
    assert path.read_bytes() == before
