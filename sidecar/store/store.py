"""The store as recording sees it: a port of plain values, and the few questions beside them.

An exchange is one transaction: what is remembered of a scope is read, a decision is made of it, and the decision is
written. A store on a server does the same three steps.
"""

import sqlite3
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

from sidecar.model.changes import Decided
from sidecar.model.exchange import Client, Intent
from sidecar.model.memory import HeldSnapshot, Scope, Snapshot
from sidecar.model.names import Digest, Repository
from sidecar.store.decisions import write_decision
from sidecar.store.figures import Figures, figures_of
from sidecar.store.health import Health
from sidecar.store.held import has_due, note_blob_fetched
from sidecar.store.intents import close_intent, disown_intent, flag_unreadable, intents_left_open
from sidecar.store.refused_pushes import forget_refused_pushes, note_ping
from sidecar.store.repositories import note_upload
from sidecar.store.rows import Row
from sidecar.store.snapshots import held_snapshot, snapshot_of
from sidecar.store.sqlite import SqliteDatabase
from sidecar.store.statement import Statement
from sidecar.store.tags import tag_seen_since
from sidecar.store.traces import forget_traces

_COMMIT_NUMBER: Final = Statement("A number that changes when another process commits.", "{commit_number()}")


class Store:
    """What is recorded and remembered, in the embedded database.

    More than 15 methods: one for each thing that recording notes or asks, and none of them decides anything.
    """

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    @property
    def health(self) -> Health:
        return self._database.health

    # What is recorded: one read, a decision, one write, in one transaction

    async def record(
        self,
        scope: Scope | None,
        decide: Callable[[Snapshot], Decided],
        *,
        keep: bool = False,
        weight: int = 0,
        events: int = 0,
    ) -> Decided:
        """Write what is decided with what is remembered of a scope; answers what was written.

        `decide` does no I/O; it may be called again, when the transaction is. The rest: SqliteDatabase.write.
        """
        work = partial(_record, scope=scope, decide=decide)
        return await self._database.write(work, keep=keep, weight=weight, events=events)

    def post(self, scope: Scope, decide: Callable[[Snapshot], Decided]) -> None:
        """As `record`, for what nobody waits for and may be lost."""
        self._database.post(partial(_record, scope=scope, decide=decide))

    async def record_due(
        self,
        now: datetime,
        decide: Callable[[HeldSnapshot], Decided],
        *,
        pulls_until: datetime,
        pushes_until: datetime,
    ) -> Decided:
        """As `record`, with what is held and due at `now`, or after a time that none should wait for."""

        def work(sql: sqlite3.Connection) -> Decided:
            held = held_snapshot(sql, now=now, pulls_until=pulls_until, pushes_until=pushes_until)
            decision = decide(held)
            write_decision(sql, decision)
            return decision

        return await self._database.write(work)

    async def recall(self, scope: Scope) -> Snapshot:
        """What is committed; changes nothing and waits for no writer."""
        return await self._database.read(lambda sql: snapshot_of(sql, scope))

    async def close_intent(self, intent_id: UUID) -> None:
        await self._database.write(lambda sql: close_intent(sql, intent_id))

    async def disown_intent(self, intent_id: UUID) -> None:
        await self._database.write(lambda sql: disown_intent(sql, intent_id))

    # What is noted, and may be lost

    def note_upload(self, repository: Repository, *, at: datetime) -> None:
        self._database.post(lambda sql: note_upload(sql, repository, at=at))

    def note_blob_fetched(self, client: Client, repository: Repository, digest: Digest) -> None:
        self._database.post(lambda sql: note_blob_fetched(sql, client, repository, digest))

    def note_ping(self, client: Client, *, at: datetime) -> None:
        self._database.post(lambda sql: note_ping(sql, client, at=at))

    # What is asked beside

    async def has_due_holds(self, now: datetime, *, pulls_until: datetime, pushes_until: datetime) -> bool:
        """Whether a held event's time has come, or lies beyond what a hold lasts (see `detectors.due`)."""
        return await self._database.read(
            lambda sql: has_due(sql, now=now, pulls_until=pulls_until, pushes_until=pushes_until)
        )

    async def tag_seen_since(self, repository: Repository, tag: str, digest: str, since: datetime) -> bool:
        """Whether the tag was seen to name the digest at or after that time, once all that came is written."""
        return await self._database.write(lambda sql: tag_seen_since(sql, repository, tag, digest, since))

    async def intents_left_open(self) -> list[Intent]:
        """Intents whose exchange no run that is alive will finish, the oldest first."""

        def flag(row: Row) -> None:
            self._database.post(lambda sql: flag_unreadable(sql, row[0]))

        return await self._database.read(lambda sql: intents_left_open(sql, on_unreadable=flag))

    async def forget_traces(self, *, before: datetime) -> None:
        """Drop what clients did before then; only recent traces decide anything."""

        def work(sql: sqlite3.Connection) -> None:
            forget_traces(sql, before=before)
            forget_refused_pushes(sql, before=before)

        await self._database.write(work)

    async def figures(self) -> Figures:
        """What waits, for whoever watches."""
        return await self._database.read(figures_of)

    async def data_version(self) -> int:
        """A number that changes when another process commits."""
        return await self._database.read(lambda sql: int(_COMMIT_NUMBER.run(sql).fetchone()[0]))


def _record(
    sql: sqlite3.Connection, *, scope: Scope | None, decide: Callable[[Snapshot], Decided]
) -> Decided:
    decision = decide(snapshot_of(sql, scope) if scope else Snapshot())
    write_decision(sql, decision)
    return decision
