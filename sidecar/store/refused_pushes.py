"""Pushes that were refused for lack of storage and may go on: one for each client and repository; pruned by age."""

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from sidecar.model.changes import PingsTaken, PushRefused
from sidecar.model.exchange import Client
from sidecar.model.memory import RefusedPush
from sidecar.store.parts import Select
from sidecar.store.records import client_key, moment, quoted, seconds
from sidecar.store.rows import Row, readable
from sidecar.store.statement import Statement

REFUSED: Final = Select(
    "refused",
    """
    SELECT 'refused', what, connection, NULL, NULL, NULL, NULL,
        refused_at, until, since, opened_at, status, pinged_at
    FROM refused_pushes WHERE client = :client AND repository = :refused_in
    """,
)
PINGS: Final = Select(
    "ping",
    """
    SELECT 'ping', NULL, NULL, NULL, NULL, NULL, NULL, pinged_at, NULL, NULL, NULL, NULL, NULL
    FROM refused_pushes WHERE agent = :agent AND pinged_at IS NOT NULL
    """,
)
_KEEP: Final = Statement(
    "Keep the last refused push of a client to a repository.",
    """
    INSERT INTO refused_pushes
        (client, agent, repository, refused_at, until, since, opened_at, status, what, connection)
    VALUES (:client, :agent, :repository, :refused_at, :until, :since, :opened_at, :status, :what, :connection)
    ON CONFLICT (client, repository) DO UPDATE SET refused_at = excluded.refused_at, until = excluded.until,
        since = excluded.since, opened_at = excluded.opened_at, status = excluded.status, what = excluded.what,
        connection = excluded.connection
    """,
)
_NOTE_PING: Final = Statement(
    "An agent asked GET /v2/ after its pushes were refused.",
    "UPDATE refused_pushes SET pinged_at = :at WHERE agent = :agent AND refused_at < :at",
)
_TAKE_PINGS: Final = Statement(
    "What an agent asked GET /v2/ for is known.",
    "UPDATE refused_pushes SET pinged_at = NULL WHERE agent = :agent AND pinged_at BETWEEN :since AND :until",
)
_FORGET: Final = Statement(
    "Forget pushes that ended before a time.", "DELETE FROM refused_pushes WHERE until < :before"
)


def keep_refused_pushes(sql: sqlite3.Connection, changes: Sequence[PushRefused]) -> None:
    _KEEP.run_many(
        sql,
        (
            {
                "client": client_key(change.client),
                "agent": agent_key(change.client),
                "repository": change.repository.full_name,
                "refused_at": seconds(change.push.refused_at),
                "until": seconds(change.push.until),
                "since": seconds(change.push.since),
                "opened_at": seconds(change.push.opened_at) if change.push.opened_at else None,
                "status": change.push.status,
                "what": change.push.what,
                "connection": change.push.connection,
            }
            for change in changes
        ),
    )


def take_pings(sql: sqlite3.Connection, changes: Sequence[PingsTaken]) -> None:
    # Moments have microseconds: what was noted between two of them counts.
    _TAKE_PINGS.run_many(
        sql,
        (
            {
                "agent": agent_key(change.client),
                "since": seconds(change.since),
                "until": seconds(change.until),
            }
            for change in changes
        ),
    )


def note_ping(sql: sqlite3.Connection, client: Client, *, at: datetime) -> None:
    """Perhaps without its user's name: it may begin something new."""
    _NOTE_PING.run(sql, agent=agent_key(client), at=seconds(at))


def forget_refused_pushes(sql: sqlite3.Connection, *, before: datetime) -> None:
    _FORGET.run(sql, before=seconds(before))


def read_refused_push(rows: Sequence[Row]) -> tuple[RefusedPush | None, datetime | None]:
    """A push and when its agent asked `GET /v2/`; of rows of what and connection, and six numbers."""
    found = readable(rows, _push, table="refused_pushes")
    return found[0] if found else (None, None)


def read_pings(rows: Iterable[Row]) -> tuple[datetime, ...]:
    found = readable(rows, lambda row: moment(row[6]), table="refused_pushes")
    return tuple(dict.fromkeys(found))


def _push(row: Row) -> tuple[RefusedPush, datetime | None]:
    what, connection, _, _, _, _, refused_at, until, since, opened_at, status, pinged_at = row
    push = RefusedPush(
        refused_at=moment(refused_at),
        until=moment(until),
        since=moment(since),
        opened_at=None if opened_at is None else moment(opened_at),
        status=int(status),
        what=str(what),
        connection=str(connection),
    )
    return push, None if pinged_at is None else moment(pinged_at)


def agent_key(client: Client) -> str:
    """A client by what it also says before it says who its user is."""
    return f"[{quoted(client.address)}, {quoted(client.user_agent)}]"
