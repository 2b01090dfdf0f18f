"""Sending again: a delivery that has ended, or waits, goes back to the queue as it was.

It keeps its id, its event's id and its bytes; its failures are forgotten, so that it has all its tries
again, and its attempts go on counting. One that is being sent right now is left alone, and so is one that
has no payload, because its template failed.

For another process than the sidecar: one short transaction at a time, and as long a pause between two,
so that the sidecar's own writer never waits long.
"""

import sqlite3
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final
from uuid import UUID

from sidecar.store.history import Chosen
from sidecar.store.records import seconds

AT_ONCE: Final = 500
_SHORTEST_PAUSE_S: Final = 0.005
_AGAIN: Final = (
    "UPDATE deliveries SET state = 'waiting', reason = '', finished_at = NULL, failures = 0, "
    "next_attempt_at = ? WHERE state <> 'sending' AND content_type <> '' AND "
)


def redeliver(sql: sqlite3.Connection, identities: Iterable[UUID], *, at: datetime) -> int:
    """Send these again, from then on; answers how many it were."""
    wanted = [(seconds(at), str(identity)) for identity in identities]
    sql.execute("BEGIN IMMEDIATE")
    number = sql.executemany(f"{_AGAIN} id = ?", wanted).rowcount
    sql.execute("COMMIT")
    return number


def redeliver_all(sql: sqlite3.Connection, chosen: Chosen, *, at: datetime) -> Iterator[int]:
    """Send again all that ended as chosen, the oldest first; yields how many after each transaction.

    `chosen` names final states and an end in time: what fails again while this goes on is not taken twice.
    """
    last = 0.0
    while True:
        began = time.monotonic()
        ends = _redeliver_some(sql, chosen, after=last, at=at)
        if not ends:
            return
        last = ends[-1]
        yield len(ends)
        time.sleep(max(time.monotonic() - began, _SHORTEST_PAUSE_S))


def _redeliver_some(sql: sqlite3.Connection, chosen: Chosen, *, after: float, at: datetime) -> list[float]:
    """When those ended that are sent again now. Not beyond `after` but at it: many may end in one instant."""
    where, values = chosen.conditions()
    query = (
        f"SELECT finished_at, seq FROM deliveries INDEXED BY {chosen.index} WHERE {where} "  # noqa: S608  # constants
        f"AND finished_at >= ? ORDER BY finished_at LIMIT {AT_ONCE}"
    )
    sql.execute("BEGIN IMMEDIATE")
    rows = sql.execute(query, (*values, after)).fetchall()
    sql.executemany(f"{_AGAIN} seq = ?", ((seconds(at), seq) for _, seq in rows))
    sql.execute("COMMIT")
    return [finished_at for finished_at, _ in rows]
