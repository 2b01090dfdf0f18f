"""Write operations that were noted before they were forwarded, and of which nothing is recorded yet."""

import sqlite3
from collections.abc import Callable
from typing import Final
from uuid import UUID

from sidecar.model.exchange import Intent
from sidecar.store.records import intent_from_json, intent_to_json, seconds
from sidecar.store.rows import UNREADABLE, Row, readable
from sidecar.store.statement import Statement

_OPEN: Final = Statement(
    "Note a write operation; the same id again replaces what is noted.",
    """
    INSERT INTO intents (id, run, opened_at, document) VALUES (:id, :run, :opened_at, :document)
    ON CONFLICT (id) DO UPDATE SET run = excluded.run, opened_at = excluded.opened_at, document = excluded.document
    """,
)
_CLOSE: Final = Statement("An operation is recorded, or was none.", "DELETE FROM intents WHERE id = :id")
_DISOWN: Final = Statement(
    "An operation ended without an answer: the reconciler asks.",
    "UPDATE intents SET run = :run WHERE id = :id",
)
_LEFT_OPEN: Final = Statement(
    "Intents of runs that are over, or of none, the oldest first.",
    """
    SELECT id, opened_at, document FROM intents
    WHERE run NOT IN (SELECT id FROM runs WHERE ended_at IS NULL) AND run <> :unreadable
    ORDER BY opened_at LIMIT 1000
    """,
)
_MOVE_BACK: Final = Statement(
    "Intents from the future come to lie in the past.",
    "UPDATE intents SET opened_at = {least(opened_at - :by, :now)} WHERE opened_at > :now",
)


def open_intent(sql: sqlite3.Connection, intent: Intent, *, run: str) -> None:
    _OPEN.run(
        sql, id=str(intent.id), run=run, opened_at=seconds(intent.opened_at), document=intent_to_json(intent)
    )


def close_intent(sql: sqlite3.Connection, intent_id: UUID) -> None:
    _CLOSE.run(sql, id=str(intent_id))


def disown_intent(sql: sqlite3.Connection, intent_id: UUID) -> None:
    """Leave an intent to reconciliation: its exchange ended without an answer."""
    _DISOWN.run(sql, run="", id=str(intent_id))


def flag_unreadable(sql: sqlite3.Connection, intent_id: str) -> None:
    _DISOWN.run(sql, run=UNREADABLE, id=intent_id)


def intents_left_open(sql: sqlite3.Connection, *, on_unreadable: Callable[[Row], object]) -> list[Intent]:
    """Intents whose exchange no run that is alive will finish, the oldest first."""
    rows = _LEFT_OPEN.run(sql, unreadable=UNREADABLE).fetchall()
    return readable(rows, lambda row: intent_from_json(*row), table="intents", on_unreadable=on_unreadable)


def move_intents_back(sql: sqlite3.Connection, by_s: float, *, now_s: float) -> None:
    _MOVE_BACK.run(sql, by=by_s, now=now_s)
