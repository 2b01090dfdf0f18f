import sqlite3
from pathlib import Path

import pytest

from sidecar.store.faults import NotOurs, is_damage, words_for


def fault(code: int, text: str = "as SQLite says it") -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    "code", [sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT_INDEX]
)
def test_a_damaged_file_is_told_by_its_code(code: int) -> None:
    assert is_damage(fault(code))


@pytest.mark.parametrize(
    "code",
    [
        *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR),
        *(sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_ERROR),
        *(sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_PROTOCOL),
    ],
)
def test_a_file_that_is_busy_or_out_of_reach_is_not_damaged(code: int) -> None:
    assert not is_damage(fault(code))


def test_another_database_is_as_good_as_damaged() -> None:
    assert is_damage(NotOurs("x"))
    assert not is_damage(sqlite3.DatabaseError("written by a newer version"))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (sqlite3.SQLITE_FULL, "make room"),
        (sqlite3.SQLITE_IOERR_WRITE, "the disk is full or failing"),
        (sqlite3.SQLITE_BUSY, "another program holds it"),
        (sqlite3.SQLITE_CANTOPEN, "set data_volume to another folder"),
        (sqlite3.SQLITE_NOMEM, "as SQLite says it"),
    ],
)
def test_words_name_the_file_and_what_to_do(tmp_path: Path, code: int, words: str) -> None:
    said = words_for(fault(code), tmp_path / "sidecar.db")
    assert words in said
    assert str(tmp_path / "sidecar.db") in said


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "sidecar.db-wal").mkdir()
    said = words_for(fault(sqlite3.SQLITE_CANTOPEN), tmp_path / "sidecar.db")
    assert said.startswith(f"{tmp_path / 'sidecar.db-wal'} is a folder")
    assert "is a folder" in words_for(fault(sqlite3.SQLITE_CANTOPEN), tmp_path / "sidecar.db-wal")
    assert "No such file" in words_for(fault(sqlite3.SQLITE_CANTOPEN), tmp_path / "none" / "sidecar.db")
