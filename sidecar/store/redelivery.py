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

from sidecar.model.delivery import Payload
from sidecar.model.event import Event
from sidecar.store.history import Chosen
from sidecar.store.offline import transaction
from sidecar.store.records import event_from_json, seconds
from sidecar.store.statement import Statement, Variants

AT_ONCE: Final = 500
_SHORTEST_PAUSE_S: Final = 0.005

_SEND_AGAIN: Final = Statement(
    "A delivery that is not being sent, and has a body, waits as if it had never failed.",
    """
    UPDATE deliveries SET state = 'waiting', reason = '', finished_at = NULL, failures = 0, next_attempt_at = :at
    WHERE state <> 'sending' AND content_type <> '' AND id = :id
    """,
)
_SEND_NUMBER_AGAIN: Final = Statement(
    "As to send again, by its number in the table.",
    """
    UPDATE deliveries SET state = 'waiting', reason = '', finished_at = NULL, failures = 0, next_attempt_at = :at
    WHERE state <> 'sending' AND content_type <> '' AND seq = :seq
    """,
)
# Not beyond `after` but at it: many may end in one instant.
_ENDED: Final = {
    "deliveries_finished": Variants(
        "The next deliveries that ended, of those chosen that have a body, the oldest first.",
        """
        SELECT finished_at, seq FROM deliveries {by_index(deliveries_finished)}
        WHERE finished_at IS NOT NULL [AND project = :project] [AND event_type = :event_type]
            [AND state = :state] [AND state IN ({texts(:states)})] [AND finished_at >= :since] [AND finished_at <= :until]
            AND finished_at >= :after AND content_type <> ''
        ORDER BY finished_at LIMIT :most
        """,
    ),
    "deliveries_policy_finished": Variants(
        "The next deliveries of a policy that ended, of those chosen that have a body, the oldest first.",
        """
        SELECT finished_at, seq FROM deliveries {by_index(deliveries_policy_finished)}
        WHERE finished_at IS NOT NULL AND policy_id = :policy_id [AND project = :project]
            [AND event_type = :event_type] [AND state = :state] [AND state IN ({texts(:states)})] [AND finished_at >= :since]
            [AND finished_at <= :until] AND finished_at >= :after AND content_type <> ''
        ORDER BY finished_at LIMIT :most
        """,
    ),
}
_ENDED_UNENCODED: Final = {
    "deliveries_finished": Variants(
        "Deliveries without a body, of those chosen that ended.",
        """
        SELECT id FROM deliveries {by_index(deliveries_finished)}
        WHERE finished_at IS NOT NULL [AND project = :project] [AND event_type = :event_type]
            [AND state = :state] [AND state IN ({texts(:states)})] [AND finished_at >= :since] [AND finished_at <= :until]
            AND content_type = ''
        """,
    ),
    "deliveries_policy_finished": Variants(
        "Deliveries of a policy without a body, of those chosen that ended.",
        """
        SELECT id FROM deliveries {by_index(deliveries_policy_finished)}
        WHERE finished_at IS NOT NULL AND policy_id = :policy_id [AND project = :project]
            [AND event_type = :event_type] [AND state = :state] [AND state IN ({texts(:states)})] [AND finished_at >= :since]
            [AND finished_at <= :until] AND content_type = ''
        """,
    ),
}
_UNENCODED: Final = Statement(
    "A delivery that has no body, with all that one is made of.",
    """
    SELECT d.id, d.policy_id, e.document, r.created_at FROM deliveries d JOIN events e ON e.id = d.event_id
    LEFT JOIN repositories r ON r.repository = d.repository WHERE d.content_type = '' AND d.id = :id
    """,
)
_GIVE_BODY: Final = Statement(
    "Complete a delivery that has no body.",
    "UPDATE deliveries SET body = :body, content_type = :content_type WHERE id = :id AND content_type = ''",
)


def redeliver(sql: sqlite3.Connection, identities: Iterable[UUID], *, at: datetime) -> int:
    """Send these again, from then on; answers how many it were."""
    wanted = [{"at": seconds(at), "id": str(identity)} for identity in identities]
    with transaction(sql):
        return _SEND_AGAIN.run_many(sql, wanted).rowcount


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
    """When those ended that are sent again now."""
    with transaction(sql):
        ended = _ENDED[chosen.index].run(sql, **chosen.values(), after=after, most=AT_ONCE).fetchall()
        _SEND_NUMBER_AGAIN.run_many(sql, ({"at": seconds(at), "seq": seq} for _, seq in ended))
    return [finished_at for finished_at, _ in ended]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unencoded:
    """A delivery that could not be made, with all that is needed to try again."""

    id: UUID
    policy_id: str
    event: Event
    repository_created_at: int | None  #: Unix seconds


def find_unencoded(sql: sqlite3.Connection, identities: Iterable[UUID]) -> list[Unencoded]:
    """Those of these that have no body."""
    found = (_UNENCODED.run(sql, id=str(identity)).fetchone() for identity in identities)
    return [_unencoded(row) for row in found if row]


def find_all_unencoded(sql: sqlite3.Connection, chosen: Chosen) -> list[Unencoded]:
    """Those without a body among all that ended as chosen."""
    rows = _ENDED_UNENCODED[chosen.index].run(sql, **chosen.values()).fetchall()
    return find_unencoded(sql, (UUID(identity) for (identity,) in rows))


def give_body(sql: sqlite3.Connection, identity: UUID, payload: Payload) -> None:
    """Complete a delivery; it stays ended until it is sent again."""
    _GIVE_BODY.run(sql, body=payload.body, content_type=payload.content_type, id=str(identity))


def _unencoded(row: tuple[str, str, str, float | None]) -> Unencoded:
    identity, policy_id, document, created_at = row
    return Unencoded(
        id=UUID(identity),
        policy_id=policy_id,
        event=event_from_json(document),
        repository_created_at=None if created_at is None else int(created_at),
    )
