"""The connection that writes: to the file that stands there now, whatever has been done to it meanwhile."""

import sqlite3
from contextlib import suppress

import structlog

from sidecar.store.faults import Unopenable
from sidecar.store.file import DatabaseFile, Identity
from sidecar.store.health import HealthMonitor
from sidecar.store.lock import FolderLock

log = structlog.get_logger()


class OpenFile:
    """Opens the file when it is needed, a new one where it is damaged."""

    def __init__(self, file: DatabaseFile, monitor: HealthMonitor, lock: FolderLock | None) -> None:
        """`lock` is to be had before the file is opened."""
        self._file = file
        self._monitor = monitor
        self._lock = lock
        self._connection: sqlite3.Connection | None = None
        self._identity: Identity = None  # of the file that the connection leads to

    def open(self) -> sqlite3.Connection:
        """Raises sqlite3.Error, where the file cannot be put aside either."""
        try:
            return self._open()
        except sqlite3.Error as exc:
            if not self.put_aside(exc):
                raise
        return self._open()

    def current(self) -> sqlite3.Connection:
        """The connection to the file that stands there now: it may have been replaced, by whomever."""
        if self._connection is not None:
            if self._file.identity == self._identity:
                self._file.check()
                return self._connection
            log.warning("store.file_replaced", path=str(self._file.path))
            self._save_deleted()
            self.let_go()
        return self._open()

    def put_aside(self, exc: sqlite3.Error) -> bool:
        """Whether the file was damaged, and has another name now."""
        if not self._file.put_aside(exc):
            return False
        # After it has its other name: SQLite then leaves alone what comes under the old one.
        self.let_go()
        self._monitor.file_was_put_aside(self._file.put_aside_count)
        return True

    def let_go(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._lock and (holder := self._lock.take()):
            raise Unopenable(f"{self._file.path.parent} is used by another sidecar ({holder})")
        connection = self._file.open()
        self._connection, self._identity = connection, self._file.identity
        return connection

    def _save_deleted(self) -> None:
        """A file that was deleted while it is used is still whole, for us: write it again."""
        if self._connection is None or self._file.identity is not None:
            return
        with suppress(sqlite3.Error, OSError):
            self._file.make()
            copy = sqlite3.connect(self._file.path)
            self._connection.backup(copy)
            copy.close()
