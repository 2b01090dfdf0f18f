"""Rows that cannot be read, by whatever wrote or changed them: they are passed over, and stop no other."""

import sqlite3
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

import structlog

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


def _is_time(column: str) -> str:
    return f"(typeof({column}) IN ('real', 'integer') AND {column} BETWEEN 0 AND 1e11)"


_GIVE_UP: Final = (
    "UPDATE deliveries SET state = 'given_up', reason = 'the store cannot read it', next_attempt_at = NULL, "
    "finished_at = (julianday('now') - 2440587.5) * 86400.0"
)
_GIVE_UP_ILL_TYPED: Final = (
    f"{_GIVE_UP} WHERE state = 'waiting' AND NOT (typeof(policy_id) = 'text' AND typeof(target_index) = 'integer' "
    f"AND {_is_time('next_attempt_at')} AND {_is_time('created_at')})"
)


def give_up_ill_typed(sql: sqlite3.Connection) -> None:
    """Of what waits: what no queue can hold. By an index that has all of these columns."""
    if number := sql.execute(_GIVE_UP_ILL_TYPED).rowcount:
        log.error("row.unreadable", error=f"deliveries: {number} are given up")


def give_up(sql: sqlite3.Connection, seq: int) -> None:
    sql.execute(f"{_GIVE_UP} WHERE seq = ?", (seq,))
