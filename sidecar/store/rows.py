"""Rows that cannot be read, by whatever wrote or changed them: they are passed over, and stop no other."""

import sqlite3
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

import structlog

from sidecar.store.statement import Statement

log = structlog.get_logger()
T = TypeVar("T")
Row = tuple[Any, ...]

#: What a row is marked with; nothing asks for it again.
UNREADABLE: Final = "unreadable"


def readable(
    rows: Iterable[Row],
    read: Callable[[Row], T],
    *,
    table: str,
    on_unreadable: Callable[[Row], object] = lambda _row: None,
) -> list[T]:
    """What the rows say, without those that say nothing; these are logged, and handed on to be marked."""
    found: list[T] = []
    for row in rows:
        try:
            found.append(read(row))
        except Exception as exc:  # noqa: BLE001  # any content of any column
            log.warning(
                "row.unreadable", error=f"{table} {str(row[0])[:80]}: {type(exc).__name__}: {exc}"[:300]
            )
            on_unreadable(row)
    return found


_GIVE_UP: Final = Statement(
    "A delivery that cannot be read is given up.",
    """
    UPDATE deliveries SET state = 'given_up', reason = 'the store cannot read it', next_attempt_at = NULL,
        finished_at = :at
    WHERE seq = :seq
    """,
)


def give_up(sql: sqlite3.Connection, seq: int, *, at_s: float) -> None:
    _GIVE_UP.run(sql, at=at_s, seq=seq)
