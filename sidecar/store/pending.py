"""Units of work that are in memory until the store can be written again: bounded, and in order."""

import sqlite3
from pathlib import Path
from typing import Any

import structlog

from sidecar.model.errors import StoreUnavailable
from sidecar.store.faults import words_for
from sidecar.store.health import HealthMonitor
from sidecar.store.units import Unit, resolve

log = structlog.get_logger()


class Pending:
    """What must not be lost of the groups that could not be written."""

    def __init__(self, path: Path, monitor: HealthMonitor, *, most: int, most_bytes: int) -> None:
        self._path = path
        self._monitor = monitor
        self._most = most
        self._most_bytes = most_bytes
        self.units: list[Unit[Any]] = []

    def add(self, group: list[Unit[Any]], exc: sqlite3.Error) -> None:
        """A group that could not be written: those of before first. All of its callers are answered."""
        lost_before = lost = self._monitor.health.lost
        pending: list[Unit[Any]] = []
        pending_bytes = 0
        for unit in group:
            has_room = len(pending) < self._most and pending_bytes + unit.weight <= self._most_bytes
            if unit.keep and has_room:
                pending.append(unit)
                pending_bytes += unit.weight
            elif unit.keep:
                lost += unit.events
            unit.error = StoreUnavailable(words_for(exc, self._path))
        if lost > lost_before:
            log.error("store.events_lost", lost=lost)
        self.units = pending
        self._monitor.failed(exc, pending_events=sum(unit.events for unit in pending), lost=lost)
        resolve(group)

    def written(self) -> None:
        self.units = []

    def report_loss(self) -> None:
        """The end has come, and they are lost."""
        lost, error = sum(unit.events for unit in self.units), self._monitor.health.error
        if lost:
            log.error("store.closed_with_loss", lost=lost, error=error)
        elif self.units:
            log.warning("store.closed_unwritten", units=len(self.units), error=error)
