"""The database file: made for us alone, opened, proved to be ours, and put aside when it is damaged.

Nothing here ever opens and closes the file beside SQLite: to close any descriptor of it would give up the
locks that SQLite has on it in this process.
"""

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Final

import structlog

from sidecar.store.faults import NotOurs, Unopenable, is_damage, is_plain
from sidecar.store.schema import MIGRATIONS

log = structlog.get_logger()

_BUSY_TIMEOUT_MS: Final = 5000
# An event for a thousand targets writes a thousand pages: more than SQLite keeps, and a checkpoint each time.
_CACHE_KIB: Final = 8000
_CHECKPOINT_PAGES: Final = 4000
_PUT_ASIDE_EVERY_S: Final = 60.0
_MAGIC: Final = b"SQLite format 3\0"
_SUFFIXES: Final = ("", "-wal", "-shm")

#: Bytes that are no UTF-8 make text unreadable for Python; the rest of their row is not to suffer.
LENIENT_TEXT: Final = partial(str, encoding="utf-8", errors="replace")

#: Which file it is, whatever its name leads to.
Identity = tuple[int, int] | None


class DatabaseFile:
    def __init__(
        self, path: Path, *, may_put_aside: bool = True, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.path: Final = path
        self._may_put_aside = may_put_aside
        self._monotonic = monotonic
        self._put_aside_s: float | None = None
        self._seen: tuple[Identity, int] | None = None  # a descriptor that is only read, and stays open
        self.put_aside_count = 0

    def open(self) -> sqlite3.Connection:
        """A connection that can write, with the newest schema. Raises sqlite3.Error."""
        self.make()
        self._look_at()
        connection = self.connect()
        try:
            migrate(connection)
            _remove_foreign(connection)
            _prove_writable(connection)
        except sqlite3.Error:
            connection.close()
            raise
        self._close_to_others()
        return connection

    def connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        try:
            connection.text_factory = LENIENT_TEXT
            connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
            _prove_ours(connection)  # before anything is written
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """Let go of the file, after every connection to it in this process."""
        if self._seen:
            os.close(self._seen[1])
            self._seen = None

    @property
    def identity(self) -> Identity:
        """Of what stands there now; None when nothing does."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def check(self) -> None:
        """Raises NotOurs when the file that was opened is overwritten: what is cached would hide it for long."""
        if self._seen is None:
            return
        with suppress(OSError):
            if os.pread(self._seen[1], len(_MAGIC), 0) != _MAGIC:
                raise NotOurs("the file was overwritten while it was used")

    def put_aside(self, error: sqlite3.Error) -> bool:
        """Give a damaged file another name, so that a new one can be begun; whether that was done.

        Not again and again: where a disk damages every file, the folder would fill with them. The names
        end as SQLite's own tools expect it.
        """
        now_s = self._monotonic()
        is_early = self._put_aside_s is not None and now_s - self._put_aside_s < _PUT_ASIDE_EVERY_S
        if not (self._may_put_aside and is_damage(error)) or is_early:
            return False
        aside = self.path.with_name(f"{self.path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
        try:
            self.path.rename(aside)
        except OSError as exc:
            log.exception("store.not_put_aside", path=str(self.path), error=exc.strerror, damage=str(error))
            return False
        for suffix in _SUFFIXES[1:]:
            with suppress(OSError):
                Path(f"{self.path}{suffix}").rename(f"{aside}{suffix}")
        self._put_aside_s = now_s
        self.put_aside_count += 1
        log.error(
            "store.put_aside",
            path=str(self.path),
            kept_as=str(aside),
            error=str(error),
            advice="events that waited in it are not delivered; see docs/architecture.md",
        )
        return True

    def make(self) -> None:
        """What payloads hold may be secret: nobody else is to read it."""
        folder = self.path.parent
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            if not folder.is_dir():
                raise Unopenable(f"{folder} is no folder; set data_volume to one") from None
        except OSError as exc:
            raise Unopenable(
                f"{exc.filename or folder}: {exc.strerror}; let it be written there, or set data_volume"
            ) from exc

    def _look_at(self) -> None:
        identity = self.identity
        if identity is None or (self._seen and self._seen[0] == identity):
            return
        with suppress(OSError):
            file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            if self._seen:
                os.close(self._seen[1])
            self._seen = identity, file

    def _close_to_others(self) -> None:
        """Files of earlier versions, and the folder when it holds nothing else than ours."""
        folder = self.path.parent
        for suffix in _SUFFIXES:
            _restrict(Path(f"{self.path}{suffix}"), 0o600)
        with suppress(OSError):
            if all(found.name.startswith("sidecar.") for found in folder.iterdir()):
                _restrict(folder, 0o700)


def _restrict(path: Path, mode: int) -> None:
    """Take rights from others; what belongs to another user is left as that one wants it."""
    with suppress(OSError):
        found = path.stat()
        if found.st_uid == os.geteuid() and found.st_mode & 0o777 & ~mode:
            path.chmod(mode)


def files_put_aside(path: Path) -> list[str]:
    """The names of damaged files that lie beside the database; somebody should look at them."""
    found = path.parent.glob(f"{path.name}.damaged-*")
    return sorted(file.name for file in found if not file.name.endswith(("-wal", "-shm")))


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the file to the newest schema; a newer file than this program is refused."""
    version = _version_of(connection)
    if version > len(MIGRATIONS):
        raise sqlite3.DatabaseError(
            f"written by a newer version of the sidecar (schema {version}, this program knows {len(MIGRATIONS)}): "
            "use that version, or move the file away"
        )
    for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
        connection.execute("BEGIN IMMEDIATE")
        if _version_of(connection) >= number:
            connection.execute("ROLLBACK")  # another worker was first
            continue
        for statement in script.split(";\n"):
            if statement.strip():
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")


def _version_of(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def is_of_store(error: sqlite3.Error, connection: sqlite3.Connection) -> bool:
    """Whether the store is at fault, and not the unit of work that met the error.

    Raises NotOurs where somebody has changed the tables.
    """
    if is_plain(error):
        _compare_tables(connection)
        return False
    return is_damage(error) or isinstance(error, sqlite3.OperationalError | sqlite3.InternalError)


def _prove_ours(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN")  # one view of it: another worker may be migrating
    try:
        _compare_tables(connection)
    finally:
        connection.execute("ROLLBACK")


def _compare_tables(connection: sqlite3.Connection) -> None:
    """A database of another program, or one with other tables than ours, is none of ours."""
    version, found = _version_of(connection), _schema_of(connection)
    if version > len(MIGRATIONS):
        return
    if version < 0 or (version == 0 and found):
        raise NotOurs("this is a database of another program")
    if missing := _schema(version) - found:
        raise NotOurs(f"this is no database of the sidecar: it lacks {', '.join(sorted(missing)[:3])}")


def _schema_of(connection: sqlite3.Connection) -> frozenset[str]:
    """Columns of tables, and indexes, as `table.column type` and `index on table`."""
    columns = connection.execute(
        "SELECT master.name || '.' || found.name || ' ' || found.type FROM sqlite_master AS master, "
        "pragma_table_info(master.name) AS found WHERE master.type = 'table' AND master.name NOT LIKE 'sqlite_%'"
    ).fetchall()
    indexes = connection.execute(
        "SELECT name || ' on ' || tbl_name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    ).fetchall()
    return frozenset(str(row[0]) for row in (*columns, *indexes))


@lru_cache
def _schema(version: int) -> frozenset[str]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        for script in MIGRATIONS[:version]:
            connection.executescript(script)
        return _schema_of(connection)
    finally:
        connection.close()


def _remove_foreign(connection: sqlite3.Connection) -> None:
    """Triggers and unique indexes that are not ours would decide what can be stored."""
    ours = _schema(len(MIGRATIONS))
    foreign = connection.execute(
        "SELECT type, name, tbl_name FROM sqlite_master WHERE type = 'trigger' OR (type = 'index' AND sql LIKE '%UNIQUE%')"
    ).fetchall()
    for kind, name, table in foreign:
        if f"{name} on {table}" not in ours:
            quoted = str(name).replace('"', '""')
            connection.execute(f'DROP {str(kind).upper()} "{quoted}"')
            log.warning("store.foreign_removed", kind=kind, name=name, table=table)


def _prove_writable(connection: sqlite3.Connection) -> None:
    """A file that may only be read is opened all the same, and the connection stays like that for good."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")  # BEGIN alone would not tell
    connection.execute("ROLLBACK")
