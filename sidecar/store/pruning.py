"""Deliveries that ended long ago are forgotten, with their attempts and their events."""

import json
import sqlite3
from typing import Final

from sidecar.store.statement import Statement

_AT_ONCE: Final = 500

_NEXT_POLICY: Final = Statement(
    "The next policy of which a delivery has ended.",
    """
    SELECT policy_id FROM deliveries WHERE finished_at IS NOT NULL AND policy_id > :policy_id
    ORDER BY policy_id LIMIT 1
    """,
)
_DOOMED: Final = Statement(
    "Deliveries of a policy that ended before a time, or since and are not among the newest.",
    """
    SELECT seq FROM deliveries WHERE policy_id = :policy_id AND finished_at < :before
    UNION ALL
    SELECT seq FROM (
        SELECT seq FROM deliveries WHERE policy_id = :policy_id AND finished_at >= :before
        ORDER BY finished_at DESC, seq DESC LIMIT 1000000000000 OFFSET :keep) AS older
    LIMIT :most
    """,
)
_ENDED: Final = Statement(
    "Of some deliveries those that have ended still.",
    """
    SELECT seq, id, event_id FROM deliveries WHERE seq IN ({integers(:numbers)}) AND finished_at IS NOT NULL
    """,
)
_FORGET_ATTEMPTS: Final = Statement(
    "Forget the attempts of a delivery.", "DELETE FROM attempts WHERE delivery_id = :id"
)
_FORGET: Final = Statement("Forget a delivery.", "DELETE FROM deliveries WHERE seq = :seq")
_FORGET_EVENT: Final = Statement(
    "Forget an event that has no delivery any more.",
    "DELETE FROM events WHERE id = :id AND NOT EXISTS (SELECT 1 FROM deliveries WHERE event_id = :id)",
)


def doomed(sql: sqlite3.Connection, *, before: float, most_per_policy: int) -> list[int]:
    """Which deliveries to forget next, a few hundred at most, by their numbers in the table."""
    policy_id = ""
    # One step of the index for each policy, however many deliveries there are.
    while row := _NEXT_POLICY.run(sql, policy_id=policy_id).fetchone():
        policy_id = row[0]
        found = _DOOMED.run(sql, policy_id=policy_id, before=before, keep=most_per_policy, most=_AT_ONCE)
        if numbers := [number for (number,) in found.fetchall()]:
            return numbers
    return []


def forget(sql: sqlite3.Connection, numbers: list[int]) -> None:
    """Forget these, but for what was sent again meanwhile."""
    rows = _ENDED.run(sql, numbers=json.dumps(numbers)).fetchall()
    _FORGET_ATTEMPTS.run_many(sql, ({"id": row[1]} for row in rows))
    _FORGET.run_many(sql, ({"seq": row[0]} for row in rows))
    _FORGET_EVENT.run_many(sql, ({"id": row[2]} for row in rows))
