"""One SQLite file: one writer thread that commits in groups, readers apart.

WAL with synchronous=FULL: what a commit answered is on the disk. Everything that arrives while a
commit is under way goes into the next one, so the cost of a disk flush is shared. A unit of work is a
function of the connection; one that fails by its own fault takes no other with it.

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
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog

from sidecar.model.errors import StoreUnavailable
from sidecar.store.faults import Unopenable, is_damage, log_failure, words_for
from sidecar.store.file import DatabaseFile, Identity
from sidecar.store.lock import FolderLock
from sidecar.store.units import Unit, commit, resolve, take

log = structlog.get_logger()
T = TypeVar("T")

_MOST_IN_A_GROUP: Final = 512
_MOST_BACKGROUND: Final = 64
_LEAST_BACKGROUND: Final = 16
_RETRY_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the store can be written."""

    error: str = ""  #: "" when it can
    kept_in_memory: int = 0  #: events waiting for the store to come back
    lost: int = 0  #: events dropped because the memory for them was full
    put_aside: int = 0  #: damaged files that were given another name since the start


class SqliteDatabase:
    """A database file and its threads."""

    def __init__(
        self,
        path: Path,
        *,
        most_kept: int = 10_000,
        most_kept_bytes: int = 64 << 20,
        is_owner: bool = True,
        lock: FolderLock | None = None,
        on_failure: Callable[[str, BaseException], None] = log_failure,
    ) -> None:
        """`is_owner`: of several processes the one that puts a damaged file aside.

        lock         to be had before the file is opened
        on_failure   gets what failed in a thread by a bug of ours; it goes on all the same
        """
        self._path = path
        self._file = DatabaseFile(path, may_put_aside=is_owner)
        self._lock = lock
        self._on_failure = on_failure
        self._most_kept = most_kept
        self._most_kept_bytes = most_kept_bytes
        self._arrived = threading.Condition()
        self._inbox: deque[Unit[Any]] = deque()  # what clients of the registry wait for
        self._background: deque[Unit[Any]] = deque()  # what they do not
        self._kept: deque[Unit[Any]] = deque()
        self._health = Health()
        self._closing = False
        self._connection: sqlite3.Connection | None = None
        self._identity: Identity = None  # of the file that the connection leads to
        self._suspicion: sqlite3.Error | None = None  # what a reader has found
        self._writer: threading.Thread | None = None
        self._readers = ThreadPoolExecutor(2, thread_name_prefix="store-reader")
        self._reading: dict[int, tuple[Identity, sqlite3.Connection]] = {}  # of each reader's thread

    @property
    def health(self) -> Health:
        return self._health

    def open(self) -> None:
        """Create or migrate the file and start the writer.

        A file that cannot be opened does not stop the program: it is tried again with each write.
        """
        try:
            self._open_or_replace()
        except sqlite3.Error as exc:
            self._fail(exc)
        with self._arrived:
            self._keep_writing()

    def close(self) -> None:
        """Write what is queued, then stop; what the store refused until the end is lost and said so."""
        with self._arrived:
            self._closing = True
            self._keep_writing()
            self._arrived.notify()
            writer = self._writer
        if writer:
            writer.join()
        self._readers.shutdown()
        for _, connection in self._reading.values():
            connection.close()
        self._reading.clear()
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
        """Run a unit of work and answer when it is committed.

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
        self._put(unit, self._background if background else self._inbox)
        return await future

    def post(self, work: Callable[[sqlite3.Connection], object]) -> None:
        """Run a unit of work that nobody waits for and that may be lost."""
        self._put(Unit(work=work), self._inbox)

    def _put(self, unit: Unit[Any], lane: deque[Unit[Any]]) -> None:
        with self._arrived:
            lane.append(unit)
            if self._writer is not None and not self._writer.is_alive():
                self._keep_writing()
            self._arrived.notify()

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run a query on a connection that cannot write."""
        loop = asyncio.get_running_loop()
        try:
            result: T = await loop.run_in_executor(self._readers, self._read, work)
        except (sqlite3.ProgrammingError, sqlite3.IntegrityError):
            raise
        except sqlite3.Error as exc:
            if is_damage(exc):
                with self._arrived:
                    self._suspicion = exc
                    self._arrived.notify()
            if not self._health.error and self._file.identity is None:
                self.post(lambda _: None)  # the writer looks after the file
            raise StoreUnavailable(words_for(exc, self._path)) from exc
        return result

    def _open_or_replace(self) -> sqlite3.Connection:
        try:
            return self._open()
        except sqlite3.Error as exc:
            if not self._put_aside(exc):
                raise
        return self._open()

    def _open(self) -> sqlite3.Connection:
        if self._lock and (holder := self._lock.take()):
            raise Unopenable(f"{self._path.parent} is used by another sidecar ({holder})")
        connection = self._file.open()
        self._connection, self._identity = connection, self._file.identity
        return connection

    def _put_aside(self, exc: sqlite3.Error) -> bool:
        if not self._file.put_aside(exc):
            return False
        # After it has its other name: SQLite then leaves alone what comes under the old one.
        self._let_go()
        self._health = replace(self._health, put_aside=self._file.put_aside_count)
        return True

    def _let_go(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _fail(self, exc: sqlite3.Error, *, kept_in_memory: int = 0, lost: int = 0) -> None:
        error = words_for(exc, self._path)
        if self._health.error != error:
            log.error("store.failed", error=error, path=str(self._path))
        self._health = replace(self._health, error=error, kept_in_memory=kept_in_memory, lost=lost)

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._reader()
        try:
            return work(connection)
        except sqlite3.Error:
            self._reading.pop(threading.get_ident(), None)
            connection.close()
            raise
        finally:
            if self._health.error:
                # Opened while the file could only be read, it would keep the writer from writing it later.
                self._reading.pop(threading.get_ident(), None)
                connection.close()

    def _reader(self) -> sqlite3.Connection:
        opened = self._reading.get(threading.get_ident())
        identity = self._file.identity
        if opened and opened[0] == identity:
            return opened[1]
        if opened:
            opened[1].close()
        if identity is None:
            raise Unopenable(f"{self._path} is not there")
        connection = self._file.connect()
        connection.execute("PRAGMA query_only = ON")
        self._reading[threading.get_ident()] = identity, connection
        return connection

    # The writer thread

    def _keep_writing(self) -> None:
        """See to it that there is a writer; whatever has ended the last one."""
        if self._writer is None or not self._writer.is_alive():
            self._writer = threading.Thread(target=self._write_until_closed, name="store-writer", daemon=True)
            self._writer.start()

    def _write_until_closed(self) -> None:
        while not (self._closing and not self._inbox and not self._background):
            group = self._next_group()
            try:
                self._write_group(group)
            except BaseException as exc:  # noqa: BLE001  # our bug: what must not be lost is tried again
                self._recover(group, exc)
        self._say_what_is_lost()
        self._let_go()

    def _recover(self, group: list[Unit[Any]], exc: BaseException) -> None:
        fault = Unopenable(f"the writer failed: {type(exc).__name__}")
        try:
            self._on_failure("store", exc)
            self._let_go()
            self._keep(group, fault)
        except BaseException:  # noqa: BLE001  # nobody may wait for ever
            for unit in group:
                unit.error = StoreUnavailable(str(fault))
            resolve(group)

    def _write_group(self, group: list[Unit[Any]]) -> None:
        suspicion, self._suspicion = self._suspicion, None
        if suspicion and self._put_aside(suspicion):
            group = group or [Unit(work=lambda _: None)]  # opens the new file at once
        if group:
            self._commit_or_keep(group)

    def _say_what_is_lost(self) -> None:
        lost = sum(unit.events for unit in self._kept)
        if lost:
            log.error("store.closed_with_loss", lost=lost, error=self._health.error)
        elif self._kept:
            log.warning("store.closed_unwritten", units=len(self._kept), error=self._health.error)

    def _next_group(self) -> list[Unit[Any]]:
        """Kept units first, then what has arrived; waits for the first one.

        Deliveries come in hundreds: a group takes few of them, so that no push waits for many.
        """
        group = list(self._kept)
        with self._arrived:
            if not (self._inbox or self._background or self._closing or self._suspicion):
                self._arrived.wait(_RETRY_S if group else None)
            taken = take(self._inbox, _MOST_IN_A_GROUP)
            taken += take(self._background, max(_LEAST_BACKGROUND, _MOST_BACKGROUND - len(taken)))
        return group + taken

    def _commit_or_keep(self, group: list[Unit[Any]]) -> None:
        try:
            self._commit(group)
        except sqlite3.Error as exc:
            if self._put_aside(exc):
                self._commit_or_keep(group)
            else:
                self._keep(group, exc)
        else:
            self._kept.clear()
            if self._health.error:
                log.info("store.recovered", written=len(group))
                self._health = replace(self._health, error="", kept_in_memory=0)
            resolve(group)

    def _commit(self, group: list[Unit[Any]]) -> None:
        commit(group, self._current())

    def _current(self) -> sqlite3.Connection:
        """The connection to the file that stands there now: it may have been replaced, by whomever."""
        if self._connection is not None:
            if self._file.identity == self._identity:
                self._file.check()
                return self._connection
            log.warning("store.file_replaced", path=str(self._path))
            self._save_deleted()
            self._let_go()
        return self._open()

    def _save_deleted(self) -> None:
        """A file that was deleted while it is used is still whole, for us: write it again."""
        if self._connection is None or self._file.identity is not None:
            return
        with suppress(sqlite3.Error, OSError):
            self._file.make()
            copy = sqlite3.connect(self._path)
            self._connection.backup(copy)
            copy.close()

    def _keep(self, group: list[Unit[Any]], exc: sqlite3.Error) -> None:
        lost = self._health.lost
        kept: deque[Unit[Any]] = deque()
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
                lost += unit.events
            unit.error = StoreUnavailable(words_for(exc, self._path))
        if lost > self._health.lost:
            log.error("store.events_lost", lost=lost)
        self._kept = kept
        self._fail(exc, kept_in_memory=sum(unit.events for unit in kept), lost=lost)
        resolve(group)
        if not self._closing:
            time.sleep(_RETRY_S / 10)
