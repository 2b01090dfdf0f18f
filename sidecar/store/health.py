"""Whether the store can be written, and what could not be so far."""

import sqlite3
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from sidecar.store.faults import words_for

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the store can be written."""

    error: str = ""  #: "" when it can
    pending_events: int = 0  #: events waiting for the store to come back
    lost: int = 0  #: events dropped because the memory for them was full
    put_aside: int = 0  #: damaged files that were given another name since the start


class HealthMonitor:
    """The health of one store; changed by its writer, read by everybody."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.health = Health()

    def failed(self, exc: sqlite3.Error, *, pending_events: int = 0, lost: int = 0) -> None:
        error = words_for(exc, self._path)
        if self.health.error != error:
            log.error("store.failed", error=error, path=str(self._path))
        self.health = replace(self.health, error=error, pending_events=pending_events, lost=lost)

    def written(self, units: int) -> None:
        if self.health.error:
            log.info("store.recovered", written=units)
            self.health = replace(self.health, error="", pending_events=0)

    def file_was_put_aside(self, count: int) -> None:
        """`count` files altogether."""
        self.health = replace(self.health, put_aside=count)
