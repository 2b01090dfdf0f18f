"""Times in the store that lie in the future because the system's clock was set back.

Rows say by the clock of their day when something is to happen, or was seen. What is to happen is moved as
much earlier as the clock went back, what was seen comes to lie in the past again. Few rows at a time, in
the background: a million deliveries may wait. What has happened (events, attempts, deliveries that have
ended) keeps its time.

Two things are not left until this is done: held events (`detectors.grouping.ripe`), and tags that move
meanwhile (`Ledger.learn_tag`).
"""

import asyncio
import sqlite3
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeVar

from sidecar.model.delivery import TargetKey
from sidecar.model.errors import StoreUnavailable
from sidecar.store.outbox import Outbox
from sidecar.store.sqlite import SqliteDatabase

T = TypeVar("T")

_AT_ONCE: Final = 250
_NEVER_S: Final = 1e11
_STORE_PAUSE_S: Final = 1.0
#: A trace of our own: what the clock showed, and in `tag` the newest delivery by then.
_READING: Final = "clock"


class StoredTimes:
    """Keeps what the store says of times in step with the clock."""

    def __init__(
        self, database: SqliteDatabase, outbox: Outbox, *, now: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._now = now

    async def newest(self) -> float:
        """The latest that the clock has shown, as far as the store tells; 0 when it is new."""
        return await _patiently(lambda: self._database.read(_newest))

    async def note(self) -> None:
        """Let the store tell later what the clock shows now."""
        now_s = self._now()
        await self._database.write(lambda sql: _note(sql, now_s), background=True)

    async def move_back(self, by_s: float, *, shown_s: float) -> None:
        """Follow the clock, which went back by so much; ends when the store can be written and is.

        shown_s   what the clock showed right after that, or a little earlier
        """
        # What is being sent comes first: it may be given back, to wait again, at any moment.
        while await self._write(partial(_bring_forward_sending, by_s=by_s, shown_s=shown_s)):
            pass
        for target in await _patiently(self._outbox.queues_waiting):
            await self._bring_forward(target, by_s, shown_s)
        await self._write(lambda sql: _move_intents(sql, by_s, self._now()))
        await self._move_tags(by_s)
        # Traces last: until then a start after a crash sees that there is something to do.
        await self._move(_MOVE_MANIFESTS, by_s)
        await self._move(_MOVE_TRACES, by_s)

    async def _bring_forward(self, target: TargetKey, by_s: float, shown_s: float) -> None:
        last: tuple[float, int] | None = (shown_s, sys.maxsize)
        while last:
            last = await self._write(
                partial(_bring_forward, target=target, after=last, by_s=by_s, shown_s=shown_s)
            )
            self._outbox.stored(frozenset({target}))

    async def _move_tags(self, by_s: float) -> None:
        """No index tells which: they are looked for where nobody waits."""
        now_s = self._now()
        found = await _patiently(lambda: self._database.read(lambda sql: _tags_after(sql, now_s)))
        for first in range(0, len(found), _AT_ONCE):
            some = found[first : first + _AT_ONCE]
            await self._write(partial(_move_tags, tags=some, by_s=by_s, now_s=self._now()))

    async def _move(self, statement: str, by_s: float) -> None:
        while await self._write(lambda sql: _move(sql, statement, by_s, self._now())):
            pass

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await _patiently(lambda: self._database.write(work, background=True))


async def _patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask until the store answers: what is half done must neither be left so nor be done twice."""
    while True:
        try:
            return await ask()
        except StoreUnavailable:
            await asyncio.sleep(_STORE_PAUSE_S)


def _newest(sql: sqlite3.Connection) -> float:
    """Each part is the end of an index, but for intents, which are few.

    Only a delivery stored after the last reading counts: it keeps its time though the clock went back.
    """
    (newest,) = sql.execute(
        "SELECT max(at) FROM (SELECT max(seen_at) AS at FROM traces "
        "UNION ALL SELECT max(seen_at) FROM manifests UNION ALL SELECT max(opened_at) FROM intents "
        "UNION ALL SELECT created_at FROM (SELECT created_at FROM deliveries WHERE seq > "
        "(SELECT coalesce(max(CAST(tag AS INTEGER)), 0) FROM traces WHERE kind = ?) "
        "ORDER BY seq DESC LIMIT 1))",
        (_READING,),
    ).fetchone()
    # Far in the future no clock has ever been; it is a row that somebody wrote.
    return float(newest) if isinstance(newest, int | float) and newest < _NEVER_S else 0.0


def _note(sql: sqlite3.Connection, now_s: float) -> None:
    sql.execute("DELETE FROM traces WHERE kind = ?", (_READING,))
    sql.execute(
        "INSERT INTO traces (kind, client, repository, digest, tag, seen_at) "
        "SELECT ?, '', '', '', coalesce(max(seq), 0), ? FROM deliveries",
        (_READING, now_s),
    )


def _bring_forward_sending(sql: sqlite3.Connection, by_s: float, shown_s: float) -> bool:
    """Whether there may be more."""
    moved = sql.execute(
        "UPDATE deliveries SET next_attempt_at = max(next_attempt_at - ?1, ?2) WHERE seq IN "
        "(SELECT seq FROM deliveries WHERE state = 'sending' AND next_attempt_at > ?2 LIMIT ?3)",
        (by_s, shown_s, _AT_ONCE),
    )
    return moved.rowcount == _AT_ONCE


def _bring_forward(
    sql: sqlite3.Connection, target: TargetKey, after: tuple[float, int], by_s: float, shown_s: float
) -> tuple[float, int] | None:
    """The next deliveries in the order in which they are due; the last one moved, None when it was the last.

    None comes before what was due already: deliveries of a repository keep their order.
    """
    rows = sql.execute(
        "SELECT next_attempt_at, seq FROM deliveries WHERE state = 'waiting' AND policy_id = ? "
        "AND target_index = ? AND (next_attempt_at, seq) > (?, ?) ORDER BY next_attempt_at, seq LIMIT ?",
        (target.policy_id, target.index, *after, _AT_ONCE),
    ).fetchall()
    sql.executemany(
        "UPDATE deliveries SET next_attempt_at = ? WHERE seq = ?",
        ((max(at - by_s, shown_s), seq) for at, seq in rows),
    )
    return rows[-1] if len(rows) == _AT_ONCE else None


def _move_intents(sql: sqlite3.Connection, by_s: float, now_s: float) -> None:
    sql.execute("UPDATE intents SET opened_at = min(opened_at - ?1, ?2) WHERE opened_at > ?2", (by_s, now_s))


def _tags_after(sql: sqlite3.Connection, now_s: float) -> list[tuple[str, str]]:
    return sql.execute("SELECT repository, tag FROM tags WHERE seen_at > ?", (now_s,)).fetchall()


def _move_tags(sql: sqlite3.Connection, tags: list[tuple[str, str]], by_s: float, now_s: float) -> None:
    sql.executemany(
        "UPDATE tags SET seen_at = min(seen_at - ?1, ?2) WHERE repository = ?3 AND tag = ?4 AND seen_at > ?2",
        ((by_s, now_s, *tag) for tag in tags),
    )


def _move(sql: sqlite3.Connection, statement: str, by_s: float, now_s: float) -> bool:
    """Whether there may be more."""
    return sql.execute(statement, (by_s, now_s, _AT_ONCE - 1)).rowcount >= _AT_ONCE


_SOME_IN_THE_FUTURE: Final = (
    "WHERE seen_at > ?2 AND seen_at <= coalesce("
    "(SELECT seen_at FROM {0} WHERE seen_at > ?2 ORDER BY seen_at LIMIT 1 OFFSET ?3), 9e999)"
)
_MOVE_MANIFESTS: Final = (
    "UPDATE manifests SET seen_at = min(seen_at - ?1, ?2) "  # noqa: S608  # constants
    f"{_SOME_IN_THE_FUTURE.format('manifests')}"
)
_MOVE_TRACES: Final = (
    "UPDATE OR REPLACE traces SET seen_at = min(seen_at - ?1, ?2), taken_at = min(taken_at - ?1, ?2) "  # noqa: S608  # constants
    f"{_SOME_IN_THE_FUTURE.format('traces')}"
)
