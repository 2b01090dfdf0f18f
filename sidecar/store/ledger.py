"""One transaction's view of the store: what is remembered, what is held, what is owed.

A Ledger lives inside one unit of work on the writer's connection. It implements `memory.Memory` for
the detectors and keeps intents, events and deliveries. Nothing here decides anything.
"""

import math
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final, TypeVar
from uuid import UUID

from sidecar.model.delivery import Delivery
from sidecar.model.event import Event
from sidecar.model.exchange import Client, Intent, Remembered
from sidecar.model.memory import HeldPull, HeldPush, KnownManifest
from sidecar.model.names import Digest, Repository
from sidecar.model.operation import DeleteManifest, PutManifest
from sidecar.store.records import (
    client_from_key,
    client_key,
    event_from_json,
    event_to_json,
    intent_to_json,
    known_from_json,
    known_to_json,
    moment,
    seconds,
)
from sidecar.store.refused import RefusedPushes
from sidecar.store.rows import UNREADABLE, Row, readable
from sidecar.store.storing import store_event
from sidecar.store.traces import Traces

Held = TypeVar("Held", HeldPush, HeldPull)

_MOST_TAGS: Final = 1000
_MOST_DUE: Final = 500

_PULL: Final = "pull"
_PUSH: Final = "push"


class Ledger(Traces, RefusedPushes):
    """Reads and writes of one transaction."""

    def __init__(self, connection: sqlite3.Connection, *, now_s: float = math.inf) -> None:
        """What lies after `now_s` was written before the clock was set back."""
        super().__init__(connection)
        self._now_s = now_s

    # Intents

    def open_intent(self, intent: Intent, *, run: str) -> None:
        """Note a write operation and what was there before; the same id again replaces what is noted."""
        intent = replace(intent, remembered=self._remembered(intent))
        self._sql.execute(
            "INSERT OR REPLACE INTO intents (id, run, opened_at, document) VALUES (?, ?, ?, ?)",
            (str(intent.id), run, seconds(intent.opened_at), intent_to_json(intent)),
        )

    def _remembered(self, intent: Intent) -> Remembered:
        operation = intent.operation
        if not isinstance(operation, PutManifest | DeleteManifest):
            return Remembered.NOTHING
        repository, reference = operation.repository, operation.reference
        digest = reference.digest or intent.content_digest
        named = self.named_by(repository, reference.tag) if reference.tag else None
        is_there = digest is not None and self.manifest(repository, digest) is not None
        if isinstance(operation, DeleteManifest):
            return Remembered.REFERENCE if named or is_there else Remembered.NOTHING
        if (named is not None and named == digest) or (is_there and reference.digest):
            return Remembered.REFERENCE
        return Remembered.MANIFEST if is_there else Remembered.NOTHING

    def close_intent(self, intent_id: UUID) -> None:
        self._sql.execute("DELETE FROM intents WHERE id = ?", (str(intent_id),))

    def disown_intent(self, intent_id: UUID) -> None:
        """Leave an intent to reconciliation: its exchange ended without an answer."""
        self._sql.execute("UPDATE intents SET run = '' WHERE id = ?", (str(intent_id),))

    # Events and deliveries

    def store_event(self, event: Event, deliveries: Iterable[Delivery], *, next_attempt_at: datetime) -> None:
        """Keep an event with its deliveries; storing the same twice stores once."""
        store_event(self._sql, event, deliveries, next_attempt_at=next_attempt_at)

    # Repositories

    def created_at(self, repository: Repository, *, at: datetime | None = None) -> int | None:
        """Unix seconds when the repository was first seen; notes `at` when it is the first."""
        if at is not None:
            self._sql.execute(
                "INSERT INTO repositories (repository, created_at) VALUES (?, ?) "
                "ON CONFLICT (repository) DO UPDATE SET created_at = coalesce(created_at, excluded.created_at)",
                (repository.full_name, seconds(at)),
            )
        row = self._sql.execute(
            "SELECT created_at FROM repositories WHERE repository = ?", (repository.full_name,)
        ).fetchone()
        return int(row[0]) if row and isinstance(row[0], int | float) else None

    def note_upload(self, repository: Repository, *, at: datetime) -> None:
        self._sql.execute(
            "INSERT INTO repositories (repository, uploaded_at) VALUES (?, ?) "
            "ON CONFLICT (repository) DO UPDATE SET uploaded_at = excluded.uploaded_at",
            (repository.full_name, seconds(at)),
        )

    def last_upload(self, repository: Repository) -> datetime | None:
        row = self._sql.execute(
            "SELECT uploaded_at FROM repositories WHERE repository = ?", (repository.full_name,)
        ).fetchone()
        return moment(row[0]) if row and isinstance(row[0], int | float) else None

    # Tags and manifests

    def learn_tag(
        self, repository: Repository, tag: str, digest: Digest, *, at: datetime, pushed: bool = False
    ) -> None:
        # A read only shows that a tag was moved when it was known to name something else before.
        self._sql.execute(
            "INSERT INTO tags (repository, tag, digest, seen_at, moved_at) VALUES (?1, ?2, ?3, ?4, ?5) "
            "ON CONFLICT (repository, tag) DO UPDATE SET digest = excluded.digest, seen_at = excluded.seen_at, "
            "moved_at = CASE WHEN digest = excluded.digest THEN moved_at ELSE excluded.seen_at END "
            "WHERE excluded.seen_at >= seen_at OR seen_at > ?6",
            (repository.full_name, tag, digest, seconds(at), seconds(at) if pushed else None, self._now_s),
        )

    def named_by(self, repository: Repository, tag: str) -> Digest | None:
        row = self._sql.execute(
            "SELECT digest FROM tags WHERE repository = ? AND tag = ?", (repository.full_name, tag)
        ).fetchone()
        return Digest(row[0]) if row else None

    def tag_seen_since(self, repository: Repository, tag: str, digest: str, since: datetime) -> bool:
        """Whether the tag was seen to name the digest at or after that time."""
        found = self._sql.execute(
            "SELECT 1 FROM tags WHERE repository = ? AND tag = ? AND digest = ? AND seen_at >= ?",
            (repository.full_name, tag, digest, seconds(since)),
        )
        return found.fetchone() is not None

    def forget_tag(self, repository: Repository, tag: str) -> None:
        self._sql.execute("DELETE FROM tags WHERE repository = ? AND tag = ?", (repository.full_name, tag))

    def forget_digest(self, repository: Repository, digest: Digest) -> None:
        for table in ("tags", "manifests"):
            self._sql.execute(
                f"DELETE FROM {table} WHERE repository = ? AND digest = ?",  # noqa: S608  # two constants
                (repository.full_name, digest),
            )

    def tags_of(self, repository: Repository, digest: str) -> tuple[str, ...]:
        rows = self._sql.execute(
            "SELECT tag FROM tags WHERE repository = ? AND digest = ? ORDER BY moved_at DESC, tag LIMIT ?",
            (repository.full_name, digest, _MOST_TAGS),
        )
        return tuple(tag for (tag,) in rows if isinstance(tag, str))

    def learn_manifest(
        self, repository: Repository, digest: Digest, known: KnownManifest, *, at: datetime
    ) -> None:
        self._sql.execute(
            "INSERT OR REPLACE INTO manifests (repository, digest, seen_at, document) VALUES (?, ?, ?, ?)",
            (repository.full_name, digest, seconds(at), known_to_json(known)),
        )

    def manifest(self, repository: Repository, digest: Digest) -> KnownManifest | None:
        row = self._sql.execute(
            "SELECT document FROM manifests WHERE repository = ? AND digest = ?",
            (repository.full_name, digest),
        ).fetchone()
        found = readable((row,) if row else (), lambda read: known_from_json(read[0]), table="manifests")
        return found[0] if found else None

    # Held events

    def hold_push(self, held: HeldPush) -> None:
        self._hold(_PUSH, held.event, held.due_at)

    def hold_pull(self, held: HeldPull) -> None:
        self._hold(
            _PULL,
            held.event,
            held.due_at,
            client=client_key(held.client),
            connection=held.client.connection,
            needs_blob=held.needs_blob,
            layers=held.layers,
        )

    def _hold(
        self,
        kind: str,
        event: Event,
        due_at: datetime,
        *,
        client: str = "",
        connection: str = "",
        needs_blob: bool = False,
        layers: str = "",
    ) -> None:
        self._sql.execute(
            "INSERT INTO held (event_id, kind, repository, digest, client, connection, due_at, needs_blob, "
            "layers, event) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (event_id) DO NOTHING",
            (
                str(event.id),
                kind,
                event.repository.full_name,
                event.digest,
                client,
                connection,
                seconds(due_at),
                needs_blob,
                layers,
                event_to_json(event),
            ),
        )

    def drop_held_pushes(self, repository: Repository, digests: tuple[Digest, ...]) -> None:
        self._sql.executemany(
            "DELETE FROM held WHERE kind = ? AND repository = ? AND digest = ?",
            ((_PUSH, repository.full_name, digest) for digest in digests),
        )

    def due_pushes(self, now: datetime) -> tuple[HeldPush, ...]:
        rows = self._sql.execute(
            "SELECT event_id, event, due_at FROM held WHERE kind = ? AND due_at <= ? ORDER BY due_at LIMIT ?",
            (_PUSH, seconds(now), _MOST_DUE),
        )
        return self._held(rows.fetchall(), _held_push)

    def _held(self, rows: list[Row], read: Callable[[Row], Held]) -> tuple[Held, ...]:
        def mark(row: Row) -> None:
            self._sql.execute("UPDATE held SET kind = ? WHERE event_id = ?", (UNREADABLE, row[0]))

        return tuple(readable(rows, read, table="held", on_unreadable=mark))

    def extend_push(self, event_id: UUID, due_at: datetime) -> None:
        self._sql.execute("UPDATE held SET due_at = ? WHERE event_id = ?", (seconds(due_at), str(event_id)))

    def held_pulls(self, client: Client, repository: Repository, digest: Digest) -> tuple[HeldPull, ...]:
        rows = self._sql.execute(
            f"SELECT {_HELD_PULL} FROM held WHERE kind = ? AND repository = ? AND digest = ? AND client = ? "  # noqa: S608  # columns
            "ORDER BY due_at",
            (_PULL, repository.full_name, digest, client_key(client)),
        )
        return self._held(rows.fetchall(), _held_pull)

    def held_pulls_in(self, client: Client, repository: Repository) -> tuple[HeldPull, ...]:
        rows = self._sql.execute(
            f"SELECT {_HELD_PULL} FROM held WHERE kind = ? AND repository = ? AND client = ?",  # noqa: S608  # columns
            (_PULL, repository.full_name, client_key(client)),
        )
        return self._held(rows.fetchall(), _held_pull)

    def note_asked_again(self, event_id: UUID) -> None:
        self._sql.execute("UPDATE held SET asked = asked + 1 WHERE event_id = ?", (str(event_id),))

    def due_pulls(self, now: datetime) -> tuple[HeldPull, ...]:
        rows = self._sql.execute(
            f"SELECT {_HELD_PULL} FROM held WHERE kind = ? AND due_at <= ? ORDER BY due_at LIMIT ?",  # noqa: S608  # columns
            (_PULL, seconds(now), _MOST_DUE),
        )
        return self._held(rows.fetchall(), _held_pull)

    def note_blob_fetched(self, client: Client, repository: Repository, digest: Digest) -> None:
        """A client fetched a blob: of what it pulls on the same connection, or of anything if nothing is."""
        is_layer = not self._is_config(repository, digest)
        noted = (
            "UPDATE held SET blob_fetched = 1, layer_fetched = max(layer_fetched, ?) "
            "WHERE kind = ? AND repository = ? AND client = ?"
        )
        values = (is_layer, _PULL, repository.full_name, client_key(client))
        same = self._sql.execute(f"{noted} AND connection = ?", (*values, client.connection or None))
        if not same.rowcount:
            self._sql.execute(noted, values)

    def hold_no_longer(self, *, pulls_until: datetime, pushes_until: datetime) -> None:
        for kind, until in ((_PULL, seconds(pulls_until)), (_PUSH, seconds(pushes_until))):
            self._sql.execute("UPDATE held SET due_at = ?1 WHERE kind = ?2 AND due_at > ?1", (until, kind))

    def release(self, event_id: UUID) -> None:
        self._sql.execute("DELETE FROM held WHERE event_id = ?", (str(event_id),))


_HELD_PULL: Final = (
    "event_id, event, client, connection, due_at, needs_blob, blob_fetched, layer_fetched, layers, asked"
)


def _held_push(row: Row) -> HeldPush:
    _, event, due_at = row
    return HeldPush(event=event_from_json(event), due_at=moment(due_at))


def _held_pull(row: Row) -> HeldPull:
    _, event, client, connection, due_at, needs_blob, blob_fetched, layer_fetched, layers, asked = row
    return HeldPull(
        event=event_from_json(event),
        client=client_from_key(client, connection),
        due_at=moment(due_at),
        needs_blob=bool(needs_blob),
        blob_fetched=bool(blob_fetched),
        layer_fetched=bool(layer_fetched),
        layers=layers,
        asked=asked,
    )
