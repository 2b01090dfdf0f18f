"""The database file as another process sees it: the command line beside the running sidecar.

WAL lets anybody read while the sidecar writes. Whoever writes here takes turns with the sidecar's
writer: short transactions, and patience. Nothing is created or migrated.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sidecar.model.errors import StoreUnavailable
from sidecar.store.file import LENIENT_TEXT
from sidecar.store.schema import MIGRATIONS

Connection = sqlite3.Connection

_BUSY_TIMEOUT_MS: Final = 30_000


@contextmanager
def open_offline(path: Path, *, writable: bool = False) -> Iterator[Connection]:
    """A connection to a file that the sidecar has made; raises StoreUnavailable, also while it is used."""
    if not path.is_file():
        raise StoreUnavailable(
            f"there is no database at {path}; has the sidecar run with this data_volume on this machine?"
        )
    try:
        connection = _connect(path, writable=writable)
        try:
            yield connection
        finally:
            connection.close()
    except sqlite3.Error as exc:
        raise StoreUnavailable(f"{path}: {exc}") from exc


@contextmanager
def transaction(sql: Connection) -> Iterator[None]:
    """One that writes, and waits for its turn; an error undoes it."""
    sql.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        sql.execute("ROLLBACK")
        raise
    sql.execute("COMMIT")


def _connect(path: Path, *, writable: bool) -> Connection:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
    connection.text_factory = LENIENT_TEXT
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
    connection.execute(f"PRAGMA query_only = {'OFF' if writable else 'ON'}")
    _check_version(connection)
    return connection


def _check_version(connection: Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version != len(MIGRATIONS):
        raise sqlite3.DatabaseError(
            f"was written by another version of the sidecar (schema {version}, "
            f"this program knows {len(MIGRATIONS)})"
        )
