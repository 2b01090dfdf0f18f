"""Threads that read, each with a connection of its own that cannot write."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sidecar.store.faults import Unopenable
from sidecar.store.file import DatabaseFile, Identity
from sidecar.store.health import HealthMonitor

T = TypeVar("T")


class Readers:
    def __init__(self, file: DatabaseFile, monitor: HealthMonitor) -> None:
        self._file = file
        self._monitor = monitor
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="store-reader")
        self._opened: dict[int, tuple[Identity, sqlite3.Connection]] = {}  # of each thread

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Raises sqlite3.Error."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, work)

    def close(self) -> None:
        self._threads.shutdown()
        for _, connection in self._opened.values():
            connection.close()
        self._opened.clear()

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._connection()
        try:
            return work(connection)
        except sqlite3.Error:
            self._close(connection)
            raise
        finally:
            if self._monitor.health.error:
                # Opened while the file could only be read, it would keep the writer from writing it later.
                self._close(connection)

    def _close(self, connection: sqlite3.Connection) -> None:
        self._opened.pop(threading.get_ident(), None)
        connection.close()

    def _connection(self) -> sqlite3.Connection:
        opened = self._opened.get(threading.get_ident())
        identity = self._file.identity
        if opened and opened[0] == identity:
            return opened[1]
        if opened:
            opened[1].close()
        if identity is None:
            raise Unopenable(f"{self._file.path} is not there")
        connection = self._file.connect()
        connection.execute("PRAGMA query_only = ON")
        self._opened[threading.get_ident()] = identity, connection
        return connection
