"""How much waits in the store, for whoever watches: a few counts, each by an index."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sidecar.store.records import moment
from sidecar.store.rows import UNREADABLE
from sidecar.store.statement import Statement

_DELIVERIES: Final = Statement(
    "How many deliveries wait, and since when the oldest does.",
    "SELECT count(*), min(created_at) FROM deliveries WHERE state = 'waiting'",
)
_INTENTS: Final = Statement(
    "How many intents are open.", "SELECT count(*) FROM intents WHERE run <> :unreadable"
)
_HELD: Final = Statement("How many events are held.", "SELECT count(*) FROM held WHERE kind <> :unreadable")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What waits in the store."""

    deliveries_waiting: int = 0
    oldest_waiting_at: datetime | None = None
    intents_open: int = 0
    events_held: int = 0  #: until it is known whether they are part of another


def figures_of(sql: sqlite3.Connection) -> Figures:
    waiting, oldest = _DELIVERIES.run(sql).fetchone()
    (intents,) = _INTENTS.run(sql, unreadable=UNREADABLE).fetchone()
    (held,) = _HELD.run(sql, unreadable=UNREADABLE).fetchone()
    return Figures(
        deliveries_waiting=waiting,
        oldest_waiting_at=moment(oldest) if oldest is not None else None,
        intents_open=intents,
        events_held=held,
    )
