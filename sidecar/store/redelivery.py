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
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sidecar.formats import Payload
from sidecar.model.event import Event
from sidecar.store.history import Chosen
from sidecar.store.records import event_from_json, seconds

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
        f"AND finished_at >= ? AND content_type <> '' ORDER BY finished_at LIMIT {AT_ONCE}"
    )
    sql.execute("BEGIN IMMEDIATE")
    rows = sql.execute(query, (*values, after)).fetchall()
    sql.executemany(f"{_AGAIN} seq = ?", ((seconds(at), seq) for _, seq in rows))
    sql.execute("COMMIT")
    return [finished_at for finished_at, _ in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bodiless:
    """A delivery that could not be made, with all that is needed to try again."""

    id: UUID
    policy_id: str
    event: Event
    repository_created_at: int | None  #: Unix seconds


def bodiless(sql: sqlite3.Connection, identities: Iterable[UUID]) -> list[Bodiless]:
    """Those of these that have no body."""
    found = (sql.execute(f"{_BODILESS} AND d.id = ?", (str(identity),)).fetchone() for identity in identities)
    return [_bodiless(row) for row in found if row]


def all_bodiless(sql: sqlite3.Connection, chosen: Chosen) -> list[Bodiless]:
    """Those without a body among all that ended as chosen."""
    where, values = chosen.conditions()
    rows = sql.execute(
        f"SELECT id FROM deliveries INDEXED BY {chosen.index} WHERE {where} AND content_type = ''",  # noqa: S608  # constants
        values,
    ).fetchall()
    return bodiless(sql, (UUID(identity) for (identity,) in rows))


def give_body(sql: sqlite3.Connection, identity: UUID, payload: Payload) -> None:
    """Complete a delivery; it stays ended until it is sent again."""
    sql.execute(
        "UPDATE deliveries SET body = ?, content_type = ? WHERE id = ? AND content_type = ''",
        (payload.body, payload.content_type, str(identity)),
    )


_BODILESS: Final = (
    "SELECT d.id, d.policy_id, e.document, r.created_at FROM deliveries d JOIN events e ON e.id = d.event_id "
    "LEFT JOIN repositories r ON r.repository = d.repository WHERE d.content_type = ''"
)


def _bodiless(row: tuple[str, str, str, float | None]) -> Bodiless:
    identity, policy_id, document, created_at = row
    return Bodiless(
        id=UUID(identity),
        policy_id=policy_id,
        event=event_from_json(document),
        repository_created_at=None if created_at is None else int(created_at),
    )
