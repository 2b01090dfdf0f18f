"""One SQLite file: one writer thread that commits in groups, readers apart.

WAL with synchronous=FULL: what a commit answered is on the disk. Everything that arrives while a
commit is under way goes into the next one, so the cost of a disk flush is shared. A unit of work is a
function of the connection; it runs in a savepoint, so that one that fails takes no other with it.

When the disk is full or the file cannot be written, units that must not be lost are kept in memory,
bounded, and tried again until the store is back; all others fail at once with StoreUnavailable.
"""

import asyncio
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import structlog

from sidecar.errors import StoreUnavailable
from sidecar.store.schema import MIGRATIONS

log = structlog.get_logger()
T = TypeVar("T")

_MOST_IN_A_GROUP: Final = 512
_MOST_BACKGROUND: Final = 64
_LEAST_BACKGROUND: Final = 16
_RETRY_S: Final = 0.5
_BUSY_TIMEOUT_MS: Final = 5000
# An event for a thousand targets writes a thousand pages: more than SQLite keeps, and a checkpoint each time.
_CACHE_KIB: Final = 8000
_CHECKPOINT_PAGES: Final = 4000


@dataclass(slots=True, kw_only=True)
class _Unit(Generic[T]):
    work: Callable[[sqlite3.Connection], T]
    loop: asyncio.AbstractEventLoop | None = None
    future: "asyncio.Future[T] | None" = None
    keep: bool = False
    weight: int = 0
    size: int = 1
    result: T | None = None
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the store can be written."""

    error: str = ""  #: "" when it can
    kept_in_memory: int = 0  #: units waiting for the store to come back
    lost: int = 0  #: units dropped because the memory for them was full


class SqliteDatabase:
    """A database file and its threads."""

    def __init__(self, path: Path, *, most_kept: int = 10_000, most_kept_bytes: int = 64 << 20) -> None:
        self._path = path
        self._most_kept = most_kept
        self._most_kept_bytes = most_kept_bytes
        self._arrived = threading.Condition()
        self._inbox: deque[_Unit[Any]] = deque()  # what clients of the registry wait for
        self._background: deque[_Unit[Any]] = deque()  # what they do not
        self._kept: deque[_Unit[Any]] = deque()
        self._health = Health()
        self._closing = False
        self._connection: sqlite3.Connection | None = None
        self._writer = threading.Thread(target=self._write_loop, name="store-writer", daemon=True)
        self._readers = ThreadPoolExecutor(2, thread_name_prefix="store-reader")
        self._local = threading.local()

    @property
    def health(self) -> Health:
        return self._health

    def open(self) -> None:
        """Create or migrate the file and start the writer.

        A file that cannot be opened does not stop the program: it is tried again with each write.
        """
        try:
            self._open()
        except sqlite3.Error as exc:
            self._fail(exc)
        self._writer.start()

    def close(self) -> None:
        """Write what is queued, then stop; what the store refused until the end is lost and said so."""
        with self._arrived:
            self._closing = True
            self._arrived.notify()
        if self._writer.is_alive():
            self._writer.join()
        self._readers.shutdown()

    async def write(
        self,
        work: Callable[[sqlite3.Connection], T],
        *,
        keep: bool = False,
        weight: int = 0,
        background: bool = False,
        size: int = 1,
    ) -> T:
        """Run a unit of work and answer when it is committed.

        background   no client of the registry waits for it: those that do go first
        keep         hold on to the unit while the store cannot be written; StoreUnavailable is raised to
                     the caller all the same, who can go on
        weight       bytes that keeping the unit costs, roughly
        size         how many units it stands for
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        unit = _Unit(work=work, loop=loop, future=future, keep=keep, weight=weight, size=size)
        self._put(unit, self._background if background else self._inbox)
        return await future

    def post(self, work: Callable[[sqlite3.Connection], object]) -> None:
        """Run a unit of work that nobody waits for and that may be lost."""
        self._put(_Unit(work=work), self._inbox)

    def _put(self, unit: _Unit[Any], lane: deque[_Unit[Any]]) -> None:
        with self._arrived:
            lane.append(unit)
            self._arrived.notify()

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run a query on a connection that cannot write."""
        loop = asyncio.get_running_loop()
        try:
            result: T = await loop.run_in_executor(self._readers, self._read, work)
        except sqlite3.OperationalError as exc:
            raise StoreUnavailable(str(exc)) from exc
        return result

    def _open(self) -> sqlite3.Connection:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise sqlite3.OperationalError(str(exc)) from exc
        connection = self._connect()
        try:
            migrate(connection)
            _prove_writable(connection)
        except sqlite3.Error:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _fail(self, exc: sqlite3.Error, *, kept_in_memory: int = 0, lost: int = 0) -> None:
        if not self._health.error:
            log.error("store.failed", error=str(exc), path=str(self._path))
        self._health = Health(error=str(exc) or "failed", kept_in_memory=kept_in_memory, lost=lost)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        return connection

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._reader()
        try:
            return work(connection)
        finally:
            if self._health.error:
                # Opened while the file could only be read, it would keep the writer from writing it later.
                self._local.connection = None
                connection.close()

    def _reader(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._connect()
            connection.execute("PRAGMA query_only = ON")
            self._local.connection = connection
        return connection

    # The writer thread

    def _write_loop(self) -> None:
        while not (self._closing and not self._inbox and not self._background):
            group = self._next_group()
            if group:
                self._commit_or_keep(group)
        if self._kept:
            log.error("store.closed_with_loss", lost=len(self._kept), error=self._health.error)
        if self._connection is not None:
            self._connection.close()

    def _next_group(self) -> list[_Unit[Any]]:
        """Kept units first, then what has arrived; waits for the first one.

        Deliveries come in hundreds: a group takes few of them, so that no push waits for many.
        """
        group = list(self._kept)
        with self._arrived:
            if not (self._inbox or self._background or self._closing):
                self._arrived.wait(_RETRY_S if group else None)
            taken = _take(self._inbox, _MOST_IN_A_GROUP)
            taken += _take(self._background, max(_LEAST_BACKGROUND, _MOST_BACKGROUND - len(taken)))
        return group + taken

    def _commit_or_keep(self, group: list[_Unit[Any]]) -> None:
        try:
            self._commit(group)
        except sqlite3.Error as exc:
            self._keep(group, exc)
        else:
            self._kept.clear()
            if self._health.error:
                log.info("store.recovered", written=len(group))
                self._health = Health(lost=self._health.lost)
            _resolve(group)

    def _commit(self, group: list[_Unit[Any]]) -> None:
        connection = self._connection or self._open()
        try:
            connection.execute("BEGIN IMMEDIATE")
            for unit in group:
                _run(unit, connection)
            connection.execute("COMMIT")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _keep(self, group: list[_Unit[Any]], exc: sqlite3.Error) -> None:
        lost = self._health.lost
        kept: deque[_Unit[Any]] = deque()
        kept_bytes = 0
        for unit in group:
            if (
                unit.keep
                and len(kept) < self._most_kept
                and kept_bytes + unit.weight <= self._most_kept_bytes
            ):
                kept.append(unit)
                kept_bytes += unit.weight
            elif unit.keep:
                lost += 1
            unit.error = StoreUnavailable(str(exc))
        if lost > self._health.lost:
            log.error("store.events_lost", lost=lost)
        self._kept = kept
        self._fail(exc, kept_in_memory=len(kept), lost=lost)
        _resolve(group)
        if not self._closing:
            time.sleep(_RETRY_S / 10)


def _prove_writable(connection: sqlite3.Connection) -> None:
    """A file that may only be read is opened all the same, and the connection stays like that for good."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")  # BEGIN alone would not tell
    connection.execute("ROLLBACK")


def _take(lane: deque[_Unit[Any]], most: int) -> list[_Unit[Any]]:
    taken: list[_Unit[Any]] = []
    while lane and most > 0:
        taken.append(lane.popleft())
        most -= taken[-1].size
    return taken


def _run(unit: _Unit[Any], connection: sqlite3.Connection) -> None:
    unit.error = None
    connection.execute("SAVEPOINT unit")
    try:
        unit.result = unit.work(connection)
    except (sqlite3.OperationalError, sqlite3.InternalError):
        raise  # the store's fault: the whole group is tried again
    except Exception as exc:  # noqa: BLE001  # the unit's own fault: told to its caller, harms no other
        connection.execute("ROLLBACK TO unit")
        unit.error = exc
    connection.execute("RELEASE unit")


def _resolve(group: list[_Unit[Any]]) -> None:
    """Answer the callers, one wake-up for each event loop."""
    loops = {unit.loop for unit in group if unit.loop}
    for loop in loops:
        units = [unit for unit in group if unit.loop is loop]
        try:
            loop.call_soon_threadsafe(_answer, units)
        except RuntimeError:  # that loop has ended; nobody waits any more
            continue


def _answer(units: list[_Unit[Any]]) -> None:
    for unit in units:
        if unit.future is None or unit.future.done():
            continue
        if unit.error is not None:
            unit.future.set_exception(unit.error)
        else:
            unit.future.set_result(unit.result)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the file to the newest schema; a newer file than this program is refused."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise sqlite3.DatabaseError(
            f"written by a newer version (schema {version}, this program knows {len(MIGRATIONS)})"
        )
    for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
        connection.execute("BEGIN IMMEDIATE")
        if connection.execute("PRAGMA user_version").fetchone()[0] >= number:
            connection.execute("ROLLBACK")  # another worker was first
            continue
        for statement in script.split(";\n"):
            if statement.strip():
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")
