"""One SQLite file: one writer thread that commits in groups, readers apart.

WAL with synchronous=FULL: what a commit answered is on the disk. Everything that arrives while a
commit is under way goes into the next one, so the cost of a disk flush is shared. A unit of work is a
function of the connection; one that fails by its own fault takes no other with it.

When the disk is full or the file cannot be written, units that must not be lost are pending in memory,
bounded, and tried again until the store is back; all others fail at once with StoreUnavailable.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sidecar.model.errors import StoreUnavailable
from sidecar.store.faults import is_damage, log_failure, words_for
from sidecar.store.file import DatabaseFile
from sidecar.store.health import Health, HealthMonitor
from sidecar.store.lock import FolderLock
from sidecar.store.open_file import OpenFile
from sidecar.store.pending import Pending
from sidecar.store.readers import Readers
from sidecar.store.units import Unit
from sidecar.store.writer import Writer

T = TypeVar("T")


class SqliteDatabase:
    """A database file and its threads."""

    def __init__(
        self,
        path: Path,
        *,
        most_pending: int = 10_000,
        most_pending_bytes: int = 64 << 20,
        is_owner: bool = True,
        lock: FolderLock | None = None,
        on_failure: Callable[[str, BaseException], None] = log_failure,
    ) -> None:
        """`is_owner`: of several processes the one that puts a damaged file aside.

        lock         to be had before the file is opened
        on_failure   gets what failed in a thread by a bug of ours; it goes on all the same
        """
        self._path = path
        self._lock = lock
        self._file = DatabaseFile(path, may_put_aside=is_owner)
        self._monitor = HealthMonitor(path)
        self._open_file = OpenFile(self._file, self._monitor, lock)
        pending = Pending(path, self._monitor, most=most_pending, most_bytes=most_pending_bytes)
        self._writer = Writer(self._open_file, pending, self._monitor, on_failure)
        self._readers = Readers(self._file, self._monitor)

    @property
    def health(self) -> Health:
        return self._monitor.health

    def open(self) -> None:
        """Create or migrate the file and start the writer.

        A file that cannot be opened does not stop the program: it is tried again with each write.
        """
        try:
            self._open_file.open()
        except sqlite3.Error as exc:
            self._monitor.failed(exc)
        self._writer.start()

    def close(self) -> None:
        """Write what is queued, then stop; what the store refused until the end is lost and said so."""
        self._writer.close()
        self._readers.close()
        self._file.close()
        if self._lock:
            self._lock.release()

    async def write(
        self,
        work: Callable[[sqlite3.Connection], T],
        *,
        keep: bool = False,
        weight: int = 0,
        background: bool = False,
        size: int = 1,
        events: int = 0,
    ) -> T:
        """Run a unit of work and return when it is committed.

        background   no client of the registry waits for it: those that do go first
        keep         hold on to the unit while the store cannot be written; StoreUnavailable is raised to
                     the caller all the same, who can go on
        weight       bytes that keeping the unit costs, roughly
        size         how many units it stands for
        events       how many events are lost for good when it is
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        unit = Unit(work=work, loop=loop, future=future, keep=keep, weight=weight, size=size, events=events)
        self._writer.put(unit, background=background)
        return await future

    def post(self, work: Callable[[sqlite3.Connection], object]) -> None:
        """Run a unit of work that nobody waits for and that may be lost."""
        self._writer.put(Unit(work=work))

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run a query on a connection that cannot write."""
        try:
            return await self._readers.read(work)
        except (sqlite3.ProgrammingError, sqlite3.IntegrityError):
            raise
        except sqlite3.Error as exc:
            if is_damage(exc):
                self._writer.suspect(exc)
            if not self.health.error and self._file.identity is None:
                self.post(lambda _: None)  # the writer looks after the file
            raise StoreUnavailable(words_for(exc, self._path)) from exc
