"""What clients did a moment ago: pushed, resolved, fetched an index. Part of the Ledger; nothing here decides."""

import math
import sqlite3
from datetime import datetime
from typing import Final

from sidecar.model.exchange import Client
from sidecar.model.names import Digest, Reference, Repository
from sidecar.store.records import client_key, seconds

# Kinds of traces.
_PUSHED: Final = "pushed"
_RESOLVED: Final = "resolved"
_CHILD: Final = "child"
_ASKED: Final = "asked"
#: Of no client: a blob that is the config of an image.
_CONFIG: Final = "config"


class Traces:
    """Rows of the table `traces`; pruned by age."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection

    def learn_push(self, client: Client, repository: Repository, digest: Digest, *, at: datetime) -> None:
        self._trace_anew(_PUSHED, client, repository, digest, at=at)

    def pushed_since(self, client: Client, repository: Repository, digest: Digest, since: datetime) -> bool:
        return self._is_traced(_PUSHED, client, repository, digest, since)

    def learn_question(
        self, client: Client, repository: Repository, what: Reference, *, at: datetime
    ) -> None:
        self._trace_anew(_ASKED, client, repository, str(what), at=at)

    def asked_since(self, client: Client, repository: Repository, what: Reference, since: datetime) -> bool:
        return self._is_traced(_ASKED, client, repository, str(what), since)

    def _is_traced(
        self, kind: str, client: Client, repository: Repository, digest: str, since: datetime
    ) -> bool:
        found = self._sql.execute(
            "SELECT 1 FROM traces WHERE kind = ? AND client = ? AND repository = ? AND digest = ? "
            "AND seen_at >= ?",
            (kind, client_key(client), repository.full_name, digest, seconds(since)),
        )
        return found.fetchone() is not None

    def learn_resolution(
        self, client: Client, repository: Repository, tag: str, digest: Digest, *, at: datetime
    ) -> None:
        self._trace(_RESOLVED, client, repository, digest, tag=tag, at=at)

    def resolved_tag(
        self, client: Client, repository: Repository, digest: str, *, since: datetime, until: datetime
    ) -> str:
        row = self._sql.execute(
            "SELECT tag FROM traces WHERE kind = ? AND client = ? AND repository = ? AND digest = ? "
            "AND seen_at BETWEEN ? AND ? ORDER BY seen_at DESC LIMIT 1",
            (_RESOLVED, client_key(client), repository.full_name, digest, seconds(since), seconds(until)),
        ).fetchone()
        return str(row[0]) if row else ""

    def take_resolved_tag(
        self, client: Client, repository: Repository, digest: str, *, since: datetime, until: datetime
    ) -> str:
        trace = (_RESOLVED, client_key(client), repository.full_name, digest)
        row = self._sql.execute(
            "SELECT tag, seen_at FROM traces WHERE kind = ? AND client = ? AND repository = ? AND digest = ? "
            "AND seen_at BETWEEN ? AND ? AND taken_at IS NULL ORDER BY seen_at DESC LIMIT 1",
            (*trace, seconds(since), seconds(until)),
        ).fetchone()
        if row is None:
            return ""
        self._sql.execute(
            "UPDATE traces SET taken_at = seen_at "
            "WHERE kind = ? AND client = ? AND repository = ? AND digest = ? AND tag = ? AND seen_at = ?",
            (*trace, *row),
        )
        return str(row[0])

    def resolved_on_connection(
        self, client: Client, repository: Repository, digest: str, since: datetime
    ) -> bool:
        found = self._sql.execute(
            "SELECT 1 FROM traces WHERE kind = ? AND client = ? AND repository = ? AND digest = ? "
            "AND connection = ? AND connection <> '' AND seen_at >= ?",
            (
                _RESOLVED,
                client_key(client),
                repository.full_name,
                digest,
                client.connection,
                seconds(since),
            ),
        )
        return found.fetchone() is not None

    def learn_config(self, repository: Repository, digest: Digest, *, at: datetime) -> None:
        self._trace_anew(_CONFIG, None, repository, digest, at=at)

    def _is_config(self, repository: Repository, digest: Digest) -> bool:
        found = self._sql.execute(
            "SELECT 1 FROM traces WHERE kind = ? AND client = '' AND repository = ? AND digest = ?",
            (_CONFIG, repository.full_name, digest),
        )
        return found.fetchone() is not None

    def learn_pulled_children(
        self,
        client: Client,
        repository: Repository,
        children: tuple[Digest, ...],
        *,
        at: datetime,
        since: datetime,
    ) -> None:
        key = (_CHILD, client_key(client), repository.full_name)
        for child in children:
            counted = self._sql.execute(
                "UPDATE traces SET seen_at = ?, untaken = CASE WHEN seen_at >= ? THEN untaken + 1 ELSE 1 END "
                "WHERE kind = ? AND client = ? AND repository = ? AND digest = ? AND tag = ''",
                (seconds(at), seconds(since), *key, child),
            )
            if not counted.rowcount:
                self._trace(_CHILD, client, repository, child, tag="", at=at)

    def take_pulled_child(
        self,
        client: Client,
        repository: Repository,
        digest: Digest,
        *,
        at: datetime,
        since: datetime,
        again_since: datetime | None = None,
    ) -> bool:
        again_s = math.inf if again_since is None else seconds(again_since)
        taken = self._sql.execute(
            "UPDATE traces SET untaken = max(untaken - 1, 0), taken_at = ?1 "
            "WHERE kind = ?2 AND client = ?3 AND repository = ?4 AND digest = ?5 AND tag = '' "
            "AND seen_at >= ?6 AND (untaken > 0 OR taken_at >= ?7)",
            (
                seconds(at),
                _CHILD,
                client_key(client),
                repository.full_name,
                digest,
                seconds(since),
                again_s,
            ),
        )
        return taken.rowcount > 0

    def _trace_anew(
        self, kind: str, client: Client | None, repository: Repository, digest: str, *, at: datetime
    ) -> None:
        """Only the last time counts."""
        self._sql.execute(
            "DELETE FROM traces WHERE kind = ? AND client = ? AND repository = ? AND digest = ?",
            (kind, client_key(client) if client else "", repository.full_name, digest),
        )
        self._trace(kind, client, repository, digest, tag="", at=at)

    def _trace(
        self, kind: str, client: Client | None, repository: Repository, digest: str, *, tag: str, at: datetime
    ) -> None:
        self._sql.execute(
            "INSERT OR REPLACE INTO traces (kind, client, connection, repository, digest, tag, seen_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                kind,
                client_key(client) if client else "",
                client.connection if client else "",
                repository.full_name,
                digest,
                tag,
                seconds(at),
            ),
        )

    def forget_traces(self, *, before: datetime) -> None:
        self._sql.execute("DELETE FROM traces WHERE seen_at < ?", (seconds(before),))
