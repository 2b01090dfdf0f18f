"""The one thread that writes. Everything that has arrived during one commit goes into the next."""

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from sidecar.model.errors import StoreUnavailable
from sidecar.store.faults import Unopenable
from sidecar.store.health import HealthMonitor
from sidecar.store.open_file import OpenFile
from sidecar.store.pending import Pending
from sidecar.store.units import Unit, commit, resolve, take

_MOST_IN_A_GROUP: Final = 512
_MOST_BACKGROUND: Final = 64
_LEAST_BACKGROUND: Final = 16
_RETRY_S: Final = 0.5


class Writer:
    """Writes groups of units until it is closed, whatever ends its thread."""

    def __init__(
        self,
        file: OpenFile,
        pending: Pending,
        monitor: HealthMonitor,
        on_failure: Callable[[str, BaseException], None],
    ) -> None:
        """`on_failure` gets what failed by a bug of ours; it goes on all the same."""
        self._file = file
        self._pending = pending
        self._monitor = monitor
        self._on_failure = on_failure
        self._arrived = threading.Condition()
        self._inbox: deque[Unit[Any]] = deque()  # what clients of the registry wait for
        self._background: deque[Unit[Any]] = deque()  # what they do not
        self._closing = False
        self._suspicion: sqlite3.Error | None = None  # what a reader has found
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        with self._arrived:
            self._keep_writing()

    def close(self) -> None:
        """Returns when what is queued is written, or is lost."""
        with self._arrived:
            self._closing = True
            self._keep_writing()
            self._arrived.notify()
            thread = self._thread
        if thread:
            thread.join()

    def put(self, unit: Unit[Any], *, background: bool = False) -> None:
        """Have it written; those that clients wait for go before those in the background."""
        with self._arrived:
            (self._background if background else self._inbox).append(unit)
            if self._thread is not None and not self._thread.is_alive():
                self._keep_writing()
            self._arrived.notify()

    def suspect(self, exc: sqlite3.Error) -> None:
        """A reader has found that the file is damaged."""
        with self._arrived:
            self._suspicion = exc
            self._arrived.notify()

    def _keep_writing(self) -> None:
        """See to it that there is a thread; whatever has ended the last one."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._write_until_closed, name="store-writer", daemon=True)
            self._thread.start()

    # In the thread

    def _write_until_closed(self) -> None:
        while not (self._closing and not self._inbox and not self._background):
            group = self._next_group()
            try:
                self._write_group(group)
            except BaseException as exc:  # noqa: BLE001  # our bug: what must not be lost is tried again
                self._recover(group, exc)
        self._pending.report_loss()
        self._file.let_go()

    def _next_group(self) -> list[Unit[Any]]:
        """Pending units first, then what has arrived; waits for the first one.

        Deliveries come in hundreds: a group takes few of them, so that no push waits for many.
        """
        group = list(self._pending.units)
        with self._arrived:
            if not (self._inbox or self._background or self._closing or self._suspicion):
                self._arrived.wait(_RETRY_S if group else None)
            taken = take(self._inbox, _MOST_IN_A_GROUP)
            taken += take(self._background, max(_LEAST_BACKGROUND, _MOST_BACKGROUND - len(taken)))
        return group + taken

    def _write_group(self, group: list[Unit[Any]]) -> None:
        suspicion, self._suspicion = self._suspicion, None
        if suspicion and self._file.put_aside(suspicion):
            group = group or [Unit(work=lambda _: None)]  # opens the new file at once
        if group:
            self._commit_or_wait(group)

    def _commit_or_wait(self, group: list[Unit[Any]]) -> None:
        try:
            self._commit(group)
        except sqlite3.Error as exc:
            if self._file.put_aside(exc):
                self._commit_or_wait(group)
            else:
                self._wait(group, exc)
        else:
            self._pending.written()
            self._monitor.written(len(group))
            resolve(group)

    def _commit(self, group: list[Unit[Any]]) -> None:
        commit(group, self._file.current())

    def _wait(self, group: list[Unit[Any]], exc: sqlite3.Error) -> None:
        self._pending.add(group, exc)
        if not self._closing:
            time.sleep(_RETRY_S / 10)

    def _recover(self, group: list[Unit[Any]], exc: BaseException) -> None:
        fault = Unopenable(f"the writer failed: {type(exc).__name__}")
        try:
            self._on_failure("store", exc)
            self._file.let_go()
            self._wait(group, fault)
        except BaseException:  # noqa: BLE001  # nobody may wait for ever
            for unit in group:
                unit.error = StoreUnavailable(str(fault))
            resolve(group)
