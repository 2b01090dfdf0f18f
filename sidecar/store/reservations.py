"""Room that is reserved in a project for a write that is under way.

A reservation belongs to an intent: it is made in the transaction that opens it, and ends with it. It
counts no longer, too, when the lease of the run is over that opened the intent: what a dead process had
reserved keeps nobody out. An intent that belongs to no run (its exchange ended without an answer) reserves nothing.
"""

import sqlite3
from typing import Final
from uuid import UUID

from sidecar.store.statement import Statement

_RESERVE: Final = Statement(
    "Reserve room for an intent; what was reserved for it before is replaced.",
    """
    INSERT INTO reservations (intent_id, project, bytes) VALUES (:intent_id, :project, :bytes)
    ON CONFLICT (intent_id) DO UPDATE SET project = excluded.project, bytes = excluded.bytes
    """,
)
_RESERVED: Final = Statement(
    "How much is reserved in a project, by intents of runs that are alive.",
    """
    SELECT coalesce(sum(reservations.bytes), 0) FROM reservations
    JOIN intents ON intents.id = reservations.intent_id
    JOIN runs ON runs.id = intents.run
    WHERE reservations.project = :project AND runs.ended_at IS NULL
    """,
)


class Reservations:
    """What a quota decides by, within one transaction."""

    def __init__(self, sql: sqlite3.Connection) -> None:
        self._sql = sql

    def reserve(self, intent_id: UUID, *, project: str, size_bytes: int) -> None:
        """Reserve room for an intent that has been opened in this transaction or before."""
        _RESERVE.run(self._sql, intent_id=str(intent_id), project=project, bytes=size_bytes)

    def reserved_in(self, project: str) -> int:
        """Bytes that operations under way may still add to a project."""
        (size_bytes,) = _RESERVED.run(self._sql, project=project).fetchone()
        return int(size_bytes)
