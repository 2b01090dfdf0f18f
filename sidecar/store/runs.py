"""Runs of processes, each with a lease that it renews: what a dead one had begun is taken over.

Intents and claimed deliveries say which run they belong to. A run is alive until its lease is over, and then they belong to
nobody: intents are reconciled, deliveries wait again. A run that was thought to be dead comes back by renewing; what
was done twice meanwhile is stored once, since events take their ids from their intents.

A lease has no time in it that another could misread: a run counts its renewals, and whoever watches sees by a clock that
nobody sets for how long the number has stayed. While the watcher cannot write, others cannot either,
and nobody is judged.
"""

import sqlite3
import time
from collections.abc import Callable
from typing import Final

from sidecar.store.claims import release_orphans
from sidecar.store.engines.sqlite_rows import give_up_ill_typed
from sidecar.store.sqlite import SqliteDatabase
from sidecar.store.statement import Statement

RENEWED_EVERY_S: Final = 5.0
LEASE_S: Final = 3 * RENEWED_EVERY_S
_REMEMBERED_S: Final = 3600.0

_RENEW: Final = Statement(
    "A run lives, whatever was thought of it.",
    """
    INSERT INTO runs (id, started_at, renewals) VALUES (:id, :now, 0)
    ON CONFLICT (id) DO UPDATE SET renewals = runs.renewals + 1, ended_at = NULL
    """,
)
_OTHERS: Final = Statement(
    "The runs that are alive, but for one, and how often each has renewed its lease.",
    "SELECT id, renewals FROM runs WHERE ended_at IS NULL AND id <> :id",
)
_END: Final = Statement(
    "A run is over, unless it has renewed its lease since.",
    "UPDATE runs SET ended_at = :now WHERE id = :id AND renewals = :renewals AND ended_at IS NULL",
)
_END_AT_ONCE: Final = Statement(
    "A run is over.", "UPDATE runs SET ended_at = :now WHERE id = :id AND ended_at IS NULL"
)
_END_OTHERS: Final = Statement(
    "All runs are over but for one.",
    "UPDATE runs SET ended_at = :now WHERE id <> :id AND ended_at IS NULL",
)
_FORGET: Final = Statement(
    "Forget runs that ended before a time.", "DELETE FROM runs WHERE ended_at < :before"
)


class Runs:
    """The run of this process among those of others."""

    def __init__(
        self,
        database: SqliteDatabase,
        run: str,
        *,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`monotonic`: a clock that is never set."""
        self._database = database
        self._run = run
        self._now = now
        self._monotonic = monotonic
        self._seen: dict[str, tuple[int, float]] = {}  # of others: renewals, and since when so many

    async def begin(self, *, is_alone: bool = False) -> None:
        """The first lease; while the store cannot be written it is pending, and comes before everything else.

        is_alone   whoever else had a lease is known to be dead: this process holds the folder's lock
        """
        now_s = self._now()

        def work(sql: sqlite3.Connection) -> None:
            _RENEW.run(sql, id=self._run, now=now_s)
            if is_alone:
                _END_OTHERS.run(sql, id=self._run, now=now_s)
                release_orphans(sql)
                give_up_ill_typed(sql, at_s=now_s)

        await self._database.write(work, keep=True)

    async def renew(self) -> None:
        """To be called every RENEWED_EVERY_S."""
        now_s = self._now()
        await self._database.write(lambda sql: _RENEW.run(sql, id=self._run, now=now_s))

    async def renew_and_watch(self) -> None:
        """As `renew`, and end the runs that have not done so for LEASE_S."""
        try:
            await self.renew()
        except BaseException:
            self._seen.clear()
            raise
        if dead := await self._dead():
            await self._database.write(lambda sql: self._end(sql, dead))

    async def end(self, run: str) -> None:
        """A run whose process is seen to have ended; raises StoreUnavailable, its lease ends all the same."""
        now_s = self._now()

        def work(sql: sqlite3.Connection) -> None:
            _END_AT_ONCE.run(sql, id=run, now=now_s)
            release_orphans(sql)

        await self._database.write(work)

    async def _dead(self) -> list[tuple[str, int]]:
        """Runs with as many renewals as LEASE_S ago."""
        found: list[tuple[str, int]] = await self._database.read(
            lambda sql: _OTHERS.run(sql, id=self._run).fetchall()
        )
        now_s = self._monotonic()
        before, self._seen = self._seen, {}
        for run, renewals in found:
            same = before.get(run)
            self._seen[run] = same if same and same[0] == renewals else (renewals, now_s)
        return [
            (run, renewals) for run, (renewals, since_s) in self._seen.items() if now_s - since_s >= LEASE_S
        ]

    def _end(self, sql: sqlite3.Connection, dead: list[tuple[str, int]]) -> None:
        now_s = self._now()
        _END.run_many(sql, ({"id": run, "renewals": renewals, "now": now_s} for run, renewals in dead))
        _FORGET.run(sql, before=now_s - _REMEMBERED_S)
        release_orphans(sql)
