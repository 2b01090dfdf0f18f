"""Pushes that were refused for lack of room and may go on. Part of the Ledger; nothing here decides."""

import json
import sqlite3
from datetime import datetime

from sidecar.model.exchange import Client
from sidecar.model.memory import RefusedPush
from sidecar.model.names import Repository
from sidecar.store.records import client_key, moment, seconds
from sidecar.store.rows import Row, readable


class RefusedPushes:
    """Rows of the table `refused_pushes`, one for each client and repository; pruned by age."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection

    def refused_push(self, client: Client, repository: Repository) -> RefusedPush | None:
        rows = self._sql.execute(
            "SELECT refused_at, until, since, opened_at, status, what, connection FROM refused_pushes "
            "WHERE client = ? AND repository = ?",
            (client_key(client), repository.full_name),
        ).fetchall()
        found = readable(rows, _push_in, table="refused_pushes")
        return found[0] if found else None

    def keep_refused_push(self, client: Client, repository: Repository, push: RefusedPush) -> None:
        opened_at = seconds(push.opened_at) if push.opened_at else None
        self._sql.execute(
            "INSERT INTO refused_pushes "
            "(client, agent, repository, refused_at, until, since, opened_at, status, what, connection) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (client, repository) DO UPDATE SET refused_at = excluded.refused_at, "
            "until = excluded.until, since = excluded.since, opened_at = excluded.opened_at, "
            "status = excluded.status, what = excluded.what, connection = excluded.connection",
            (
                client_key(client),
                _agent_key(client),
                repository.full_name,
                seconds(push.refused_at),
                seconds(push.until),
                seconds(push.since),
                opened_at,
                push.status,
                push.what,
                push.connection,
            ),
        )

    def note_ping(self, client: Client, *, at: datetime) -> None:
        """An agent asked `GET /v2/`, perhaps without its user's name: it may begin something new."""
        self._sql.execute(
            "UPDATE refused_pushes SET pinged_at = ?1 WHERE agent = ?2 AND refused_at < ?1",
            (seconds(at), _agent_key(client)),
        )

    def take_ping(self, client: Client, repository: Repository, *, since: datetime, until: datetime) -> bool:
        agent, between = _agent_key(client), (seconds(since), seconds(until))
        pinged = self._sql.execute(
            "SELECT 1 FROM refused_pushes WHERE client = ? AND repository = ? AND pinged_at BETWEEN ? AND ?",
            (client_key(client), repository.full_name, *between),
        ).fetchone()
        self._sql.execute(
            "UPDATE refused_pushes SET pinged_at = NULL WHERE agent = ? AND pinged_at BETWEEN ? AND ?",
            (agent, *between),
        )
        return pinged is not None

    def forget_refused_pushes(self, *, before: datetime) -> None:
        self._sql.execute("DELETE FROM refused_pushes WHERE until < ?", (seconds(before),))


def _push_in(row: Row) -> RefusedPush:
    refused_at, until, since, opened_at, status, what, connection = row
    return RefusedPush(
        refused_at=moment(refused_at),
        until=moment(until),
        since=moment(since),
        opened_at=None if opened_at is None else moment(opened_at),
        status=int(status),
        what=str(what),
        connection=str(connection),
    )


def _agent_key(client: Client) -> str:
    """A client by what it also says before it says who its user is."""
    return json.dumps([client.address, client.user_agent])
