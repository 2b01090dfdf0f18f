"""Times in the store that lie in the future because the system's clock was set back.

Rows say by the clock of their day when something is to happen, or was seen. What is to happen is moved as
much earlier as the clock went back, what was seen comes to lie in the past again. Few rows at a time, in
the background: a million deliveries may wait. What has happened (events, attempts, deliveries that have
ended) keeps its time. What the clock has shown is a reading, the one row of `clock`.

Two things are not left until this is done: held events (`detectors.due`), and tags that move
meanwhile (`detectors.learning`).
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
from sidecar.store.intents import move_intents_back
from sidecar.store.manifests import move_manifests_back
from sidecar.store.outbox import Outbox
from sidecar.store.sqlite import SqliteDatabase
from sidecar.store.statement import Statement
from sidecar.store.tags import move_tags_back, tags_after
from sidecar.store.traces import move_traces_back

T = TypeVar("T")

_AT_ONCE: Final = 250
_NEVER_S: Final = 1e11
_STORE_PAUSE_S: Final = 1.0

# Each part is the end of an index, but for intents, which are few. Only a delivery stored after the last
# reading counts: it keeps its time though the clock went back.
_NEWEST: Final = Statement(
    "The latest time that anything says was the present.",
    """
    SELECT max(at) FROM (
        SELECT max(shown_at) AS at FROM clock
        UNION ALL SELECT max(seen_at) FROM traces
        UNION ALL SELECT max(seen_at) FROM manifests
        UNION ALL SELECT max(opened_at) FROM intents
        UNION ALL SELECT created_at FROM (
            SELECT created_at FROM deliveries WHERE seq > (SELECT coalesce(max(newest_seq), 0) FROM clock)
            ORDER BY seq DESC LIMIT 1) AS newest
    ) AS times
    """,
)
_FORGET_READING: Final = Statement("Forget what the clock showed.", "DELETE FROM clock")
_NOTE: Final = Statement(
    "Note what the clock shows, and the newest delivery by then.",
    "INSERT INTO clock (shown_at, newest_seq) SELECT :now, coalesce(max(seq), 0) FROM deliveries",
)
_MOVE_READING: Final = Statement(
    "A reading in the future comes to lie in the past.",
    "UPDATE clock SET shown_at = {least(shown_at - :by, :now)} WHERE shown_at > :now",
)
_BRING_FORWARD_SENDING: Final = Statement(
    "What is being sent is due as much earlier, if it is given back; some of it.",
    """
    UPDATE deliveries SET next_attempt_at = {greatest(next_attempt_at - :by, :shown)} WHERE seq IN (
        SELECT seq FROM deliveries WHERE state = 'sending' AND next_attempt_at > :shown LIMIT :most)
    """,
)
_WAITING_AFTER: Final = Statement(
    "What waits for a target after a delivery, in the order in which it is due; some of it.",
    """
    SELECT next_attempt_at, seq FROM deliveries
    WHERE state = 'waiting' AND policy_id = :policy_id AND target_id = :target_id
        AND (next_attempt_at, seq) > (:after_at, :after_seq)
    ORDER BY next_attempt_at, seq LIMIT :most
    """,
)
_MAKE_DUE: Final = Statement(
    "A delivery is due at another time.", "UPDATE deliveries SET next_attempt_at = :at WHERE seq = :seq"
)


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
        await self._write(lambda sql: move_intents_back(sql, by_s, now_s=self._now()))
        await self._move_tags(by_s)
        # The newest times last: until then a start after a crash sees that there is something to do.
        await self._move(move_manifests_back, by_s)
        await self._move(move_traces_back, by_s)
        await self._write(lambda sql: _MOVE_READING.run(sql, by=by_s, now=self._now()))

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
        found = await _patiently(lambda: self._database.read(lambda sql: tags_after(sql, now_s)))
        for first in range(0, len(found), _AT_ONCE):
            some = found[first : first + _AT_ONCE]
            await self._write(partial(move_tags_back, tags=some, by_s=by_s, now_s=self._now()))

    async def _move(self, some: Callable[..., int], by_s: float) -> None:
        while await self._write(lambda sql: some(sql, by_s, now_s=self._now(), most=_AT_ONCE)) >= _AT_ONCE:
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
    (newest,) = _NEWEST.run(sql).fetchone()
    # Far in the future no clock has ever been; it is a row that somebody wrote.
    return float(newest) if isinstance(newest, int | float) and newest < _NEVER_S else 0.0


def _note(sql: sqlite3.Connection, now_s: float) -> None:
    _FORGET_READING.run(sql)
    _NOTE.run(sql, now=now_s)


def _bring_forward_sending(sql: sqlite3.Connection, by_s: float, shown_s: float) -> bool:
    """Whether there may be more."""
    moved = _BRING_FORWARD_SENDING.run(sql, by=by_s, shown=shown_s, most=_AT_ONCE)
    return moved.rowcount == _AT_ONCE


def _bring_forward(
    sql: sqlite3.Connection, target: TargetKey, after: tuple[float, int], by_s: float, shown_s: float
) -> tuple[float, int] | None:
    """The next deliveries in the order in which they are due; the last one moved, None when it was the last.

    None comes before what was due already: deliveries of a repository keep their order.
    """
    rows: list[tuple[float, int]] = _WAITING_AFTER.run(
        sql,
        policy_id=target.policy_id,
        target_id=target.target_id,
        after_at=after[0],
        after_seq=after[1],
        most=_AT_ONCE,
    ).fetchall()
    _MAKE_DUE.run_many(sql, ({"at": max(at - by_s, shown_s), "seq": seq} for at, seq in rows))
    return rows[-1] if len(rows) == _AT_ONCE else None
