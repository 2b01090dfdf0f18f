"""Rows in a real store, put there as the program puts them."""

import sqlite3
from collections.abc import Iterable
from datetime import datetime

from sidecar.model.changes import Change, Decided, Raised
from sidecar.model.delivery import Delivery
from sidecar.model.event import Event
from sidecar.store.decisions import write_decision
from sidecar.store.events import store_events
from sidecar.store.store import Store


def store_event(
    sql: sqlite3.Connection, event: Event, deliveries: Iterable[Delivery], *, next_attempt_at: datetime
) -> None:
    store_events(sql, [Raised(event, tuple(deliveries))], next_attempt_at=next_attempt_at)


def write(sql: sqlite3.Connection, *changes: Change) -> None:
    write_decision(sql, Decided(changes=changes))


async def remember(store: Store, *changes: Change) -> None:
    await store.record(None, lambda _: Decided(changes=changes))
