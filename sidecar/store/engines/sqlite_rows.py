"""Rows whose values have other types than their columns: SQLite alone lets anybody write such."""

import sqlite3
from typing import Final

import structlog

log = structlog.get_logger()

# By an index that has all of these columns.
_GIVE_UP_ILL_TYPED: Final = """
UPDATE deliveries SET state = 'given_up', reason = 'the store cannot read it', next_attempt_at = NULL, finished_at = ?1
WHERE state = 'waiting' AND NOT (
    typeof(policy_id) = 'text' AND typeof(target_id) = 'text'
    AND typeof(next_attempt_at) IN ('real', 'integer') AND next_attempt_at BETWEEN 0 AND 1e11
    AND typeof(created_at) IN ('real', 'integer') AND created_at BETWEEN 0 AND 1e11)
"""


def give_up_ill_typed(sql: sqlite3.Connection, *, at_s: float) -> None:
    """Of what waits: what no queue can hold."""
    if number := sql.execute(_GIVE_UP_ILL_TYPED, (at_s,)).rowcount:
        log.error("row.unreadable", error=f"deliveries: {number} are given up")
