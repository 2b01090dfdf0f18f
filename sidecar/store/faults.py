"""What is wrong with the database file: whether it is damaged, and how to say it to people."""

import os
import sqlite3
from pathlib import Path
from typing import Final

import structlog

log = structlog.get_logger()

_ERROR, _BUSY, _LOCKED, _READONLY, _IOERR, _CORRUPT, _FULL, _CANTOPEN, _NOTADB = (
    1,
    5,
    6,
    8,
    10,
    11,
    13,
    14,
    26,
)
_MENDED_BY: Final = "let it be written there, or set data_volume to another folder"


class NotOurs(sqlite3.DatabaseError):
    """A file that is no database of this program, whatever else it is."""


class Unopenable(sqlite3.OperationalError):
    """The folder or the file cannot be had; the text is for people."""


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file itself is at fault: no waiting and no permission would make it usable.

    Source: sqlite.org/rescode.html. SQLITE_CORRUPT has extended codes; the low byte is the primary one.
    """
    return isinstance(error, NotOurs) or _code(error) in {_CORRUPT, _NOTADB}


def is_plain(error: sqlite3.Error) -> bool:
    """Whether SQLite understood the file and not the statement."""
    return _code(error) == _ERROR


def words_for(error: sqlite3.Error, path: Path) -> str:
    """What is wrong, where, and what to do."""
    if isinstance(error, Unopenable):
        return str(error)
    match _code(error):
        case code if code in {_READONLY, _CANTOPEN}:
            return _why_not_writable(path) or f"{path}: {error}; {_MENDED_BY}"
        case code if code == _FULL:
            return f"{path}: {error}: no space is left there; make room"
        case code if code == _IOERR:
            return f"{path}: reading or writing failed ({error}): the disk is full or failing"
        case code if code in {_BUSY, _LOCKED}:
            return f"{path}: another program holds it ({error})"
        case _:
            return f"{path}: {error}" if str(path) not in str(error) else str(error)


def _why_not_writable(path: Path) -> str:
    """By what the system says of the folder and the files, "" when it is none of that."""
    folder, user = path.parent, f"user {os.geteuid()}"
    try:
        folder.stat()
        if path.is_dir():
            return f"{path} is a folder, where the database should be; move it away"
    except OSError as exc:
        return f"{folder}: {exc.strerror}; {_MENDED_BY}"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"{folder} cannot be written by {user}: Permission denied; {_MENDED_BY}"
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        found = folder / name
        if found.is_dir():
            return f"{found} is a folder, where a file of the database should be; move it away"
        if found.exists() and not os.access(found, os.R_OK | os.W_OK):
            return f"{found} cannot be read and written by {user}: Permission denied; {_MENDED_BY}"
    return ""


def _code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def log_failure(task: str, error: BaseException) -> None:
    """Say that something has failed for a reason that nobody thought of, and goes on all the same."""
    log.error("background.failed", task=task, exc_info=error)
