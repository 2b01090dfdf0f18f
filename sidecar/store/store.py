"""The store as the pipeline sees it: transactions over a Ledger, and the few questions beside them."""

import sqlite3
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final, TypeVar

from sidecar.model.exchange import Intent
from sidecar.store.figures import Figures, figures_of
from sidecar.store.ledger import Ledger
from sidecar.store.records import intent_from_json, seconds
from sidecar.store.rows import UNREADABLE, Row, readable
from sidecar.store.sqlite import Health, SqliteDatabase
from sidecar.store.statement import Statement

T = TypeVar("T")

_LEFT_OPEN: Final = Statement(
    "Intents of runs that are over, or of none, the oldest first.",
    """
    SELECT id, opened_at, document FROM intents
    WHERE run NOT IN (SELECT id FROM runs WHERE ended_at IS NULL) AND run <> :unreadable
    ORDER BY opened_at LIMIT 1000
    """,
)
_COMMIT_NUMBER: Final = Statement(
    "A number that is another one after another process has committed.", "{commit_number()}"
)


class Store:
    """Transactions on the embedded database."""

    def __init__(self, database: SqliteDatabase, *, now: Callable[[], float] = time.time) -> None:
        self._database = database
        self._now = now

    @property
    def health(self) -> Health:
        return self._database.health

    async def transact(
        self, work: Callable[[Ledger], T], *, keep: bool = False, weight: int = 0, events: int = 0
    ) -> T:
        """Run work in one transaction; see SqliteDatabase.write."""
        return await self._database.write(
            lambda sql: work(Ledger(sql, now_s=self._now())), keep=keep, weight=weight, events=events
        )

    async def consult(self, question: Callable[[Ledger], T]) -> T:
        """The answer to a question about what is committed; changes nothing and waits for no writer."""
        return await self._database.read(lambda sql: question(Ledger(sql, now_s=self._now())))

    def post(self, work: Callable[[Ledger], object]) -> None:
        """Run work that nobody waits for and that may be lost."""
        self._database.post(lambda sql: work(Ledger(sql, now_s=self._now())))

    async def has_due_holds(self, now: datetime, *, pulls_until: datetime, pushes_until: datetime) -> bool:
        """Whether a held event's time has come, or lies beyond what a hold lasts (see `ripe`)."""
        times = seconds(now), seconds(pulls_until), seconds(pushes_until)

        def work(sql: sqlite3.Connection) -> bool:
            due = sql.execute(
                "SELECT 1 FROM held WHERE due_at <= ?1 AND kind IN ('pull', 'push') "
                "UNION ALL SELECT 1 FROM held WHERE due_at > ?2 AND kind = 'pull' "
                "UNION ALL SELECT 1 FROM held WHERE due_at > ?3 AND kind IN ('pull', 'push') LIMIT 1",
                times,
            )
            return due.fetchone() is not None

        return await self._database.read(work)

    async def intents_left_open(self) -> list[Intent]:
        """Intents whose exchange no run that is alive will finish, the oldest first."""

        def work(sql: sqlite3.Connection) -> list[Intent]:
            rows = _LEFT_OPEN.run(sql, unreadable=UNREADABLE).fetchall()
            return readable(rows, lambda row: intent_from_json(*row), table="intents", on_unreadable=mark)

        def mark(row: Row) -> None:
            self._database.post(
                lambda sql: sql.execute("UPDATE intents SET run = ? WHERE id = ?", (UNREADABLE, row[0]))
            )

        return await self._database.read(work)

    async def forget_traces(self, *, before: datetime) -> None:
        """Drop what clients did before then; only recent traces decide anything."""

        def work(ledger: Ledger) -> None:
            ledger.forget_traces(before=before)
            ledger.forget_refused_pushes(before=before)

        await self.transact(work)

    async def figures(self) -> Figures:
        """What waits, for whoever watches."""
        return await self._database.read(figures_of)

    async def data_version(self) -> int:
        """A number that changes when another process commits."""
        return await self._database.read(lambda sql: int(_COMMIT_NUMBER.run(sql).fetchone()[0]))
