"""Events that wait until it is known whether they are part of another one."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

from sidecar.model.changes import AskedAgain, DueLater, HeldNoLonger, PullHeld, PushHeld, Released
from sidecar.model.event import Event
from sidecar.model.exchange import Client
from sidecar.model.memory import HeldPull, HeldPush, TraceKind
from sidecar.model.names import Digest, Repository
from sidecar.store.parts import Select
from sidecar.store.records import (
    client_from_key,
    client_key,
    event_from_json,
    event_to_json,
    moment,
    seconds,
)
from sidecar.store.rows import UNREADABLE, Row, readable
from sidecar.store.statement import Statement

_PULL: Final = "pull"
_PUSH: Final = "push"

PULLS_OF: Final = Select(
    "pull",
    """
    SELECT 'pull', held.event_id, held.event, held.connection, held.layers, NULL, NULL,
        held.due_at, held.needs_blob, held.blob_fetched, held.layer_fetched, held.asked, NULL
    FROM {rows(:pulls_of, digest text)} AS wanted CROSS JOIN held
    WHERE held.repository = :repository AND held.digest = wanted.digest AND held.kind = 'pull'
        AND held.client = :client
    """,
)
ALL_PULLS: Final = Select(
    "pull",
    """
    SELECT 'pull', event_id, event, connection, layers, NULL, NULL,
        due_at, needs_blob, blob_fetched, layer_fetched, asked, NULL
    FROM held WHERE repository = :pulls_in AND kind = 'pull' AND client = :client
    """,
)
PUSHES: Final = Select(
    "push",
    """
    SELECT 'push', held.event_id, held.digest, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
    FROM {rows(:digests, digest text)} AS wanted CROSS JOIN held
    WHERE held.repository = :pushes_in AND held.digest = wanted.digest AND held.kind = 'push'
    """,
)
#: Of what these manifests name, and of what that names.
PUSHES_BELOW: Final = Select(
    "push",
    """
    SELECT 'push', held.event_id, held.digest, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
    FROM {rows(:upper, digest text)} AS wanted CROSS JOIN manifests AS upper
        CROSS JOIN {members(upper.document, children, child)} CROSS JOIN held
    WHERE upper.repository = :repository AND upper.digest = wanted.digest
        AND held.repository = :pushes_in AND held.digest = child.value AND held.kind = 'push'
    """,
)
PUSHES_FURTHER_BELOW: Final = Select(
    "push",
    """
    SELECT 'push', held.event_id, held.digest, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
    FROM {rows(:upper, digest text)} AS wanted CROSS JOIN manifests AS upper
        CROSS JOIN {members(upper.document, children, child)} CROSS JOIN manifests AS middle
        CROSS JOIN {members(middle.document, children, grandchild)} CROSS JOIN held
    WHERE upper.repository = :repository AND upper.digest = wanted.digest
        AND middle.repository = :repository AND middle.digest = child.value
        AND held.repository = :pushes_in AND held.digest = grandchild.value AND held.kind = 'push'
    """,
)
_HOLD: Final = Statement(
    "Hold an event; one that is held already stays as it is.",
    """
    INSERT INTO held (event_id, kind, repository, digest, client, connection, due_at, needs_blob, layers, event)
    VALUES (:event_id, :kind, :repository, :digest, :client, :connection, :due_at, :needs_blob, :layers, :event)
    ON CONFLICT (event_id) DO NOTHING
    """,
)
_RELEASE: Final = Statement(
    "Hold some events no longer.", "DELETE FROM held WHERE event_id IN ({texts(:events)})"
)
_ASK_AGAIN: Final = Statement(
    "One request more for the same pull.",
    "UPDATE held SET asked = asked + 1 WHERE event_id IN ({texts(:events)})",
)
_DUE_LATER: Final = Statement(
    "A held event waits longer.", "UPDATE held SET due_at = :due_at WHERE event_id = :event_id"
)
_NO_LONGER: Final = Statement(
    "No held event of a kind is due after a time.",
    "UPDATE held SET due_at = :until WHERE kind = :kind AND due_at > :until",
)
_MARK: Final = Statement(
    "A held event cannot be read; nothing asks for it again.",
    "UPDATE held SET kind = :kind WHERE event_id = :event_id",
)
_BLOB_FETCHED: Final = Statement(
    "A client fetched a blob of what it pulls on the same connection, or of anything if nothing is.",
    """
    UPDATE held SET blob_fetched = 1, layer_fetched = CASE WHEN EXISTS (
            SELECT 1 FROM traces WHERE traces.kind = :config AND traces.client = '' AND traces.repository = :repository
                AND traces.digest = :digest
        ) THEN layer_fetched ELSE 1 END
    WHERE kind = :kind AND repository = :repository AND client = :client AND (
        (connection = :connection AND connection <> '') OR NOT EXISTS (
            SELECT 1 FROM held AS same WHERE same.kind = :kind AND same.repository = :repository
                AND same.client = :client AND same.connection = :connection AND same.connection <> ''))
    """,
)
_HAS_DUE: Final = Statement(
    "Whether any held event is due, or later than it should be.",
    """
    SELECT 1 FROM held WHERE due_at <= :now AND kind IN ('pull', 'push')
    UNION ALL SELECT 1 FROM held WHERE due_at > :pulls_until AND kind = 'pull'
    UNION ALL SELECT 1 FROM held WHERE due_at > :pushes_until AND kind IN ('pull', 'push')
    LIMIT 1
    """,
)


def hold_pushes(sql: sqlite3.Connection, changes: Sequence[PushHeld]) -> None:
    _HOLD.run_many(sql, (_held(_PUSH, change.held.event, change.held.due_at) for change in changes))


def hold_pulls(sql: sqlite3.Connection, changes: Sequence[PullHeld]) -> None:
    _HOLD.run_many(
        sql,
        (
            _held(_PULL, held.event, held.due_at)
            | {
                "client": client_key(held.client),
                "connection": held.client.connection,
                "needs_blob": held.needs_blob,
                "layers": held.layers,
            }
            for held in (change.held for change in changes)
        ),
    )


def _held(kind: str, event: Event, due_at: datetime) -> dict[str, object]:
    return {
        "event_id": str(event.id),
        "kind": kind,
        "repository": event.repository.full_name,
        "digest": event.digest,
        "client": "",
        "connection": "",
        "due_at": seconds(due_at),
        "needs_blob": 0,
        "layers": "",
        "event": event_to_json(event),
    }


def release(sql: sqlite3.Connection, changes: Sequence[Released]) -> None:
    _RELEASE.run(sql, events=json.dumps([str(change.event_id) for change in changes]))


def ask_again(sql: sqlite3.Connection, changes: Sequence[AskedAgain]) -> None:
    _ASK_AGAIN.run(sql, events=json.dumps([str(change.event_id) for change in changes]))


def let_wait(sql: sqlite3.Connection, changes: Sequence[DueLater]) -> None:
    _DUE_LATER.run_many(sql, ({"event_id": str(c.event_id), "due_at": seconds(c.due_at)} for c in changes))


def hold_no_longer(sql: sqlite3.Connection, changes: Sequence[HeldNoLonger]) -> None:
    for change in changes:
        _NO_LONGER.run(sql, kind=_PULL, until=seconds(change.pulls_until))
        _NO_LONGER.run(sql, kind=_PUSH, until=seconds(change.pushes_until))


def note_blob_fetched(
    sql: sqlite3.Connection, client: Client, repository: Repository, digest: Digest
) -> None:
    """Of the pull on the same connection, or of all of the client's in the repository if there is none."""
    _BLOB_FETCHED.run(
        sql,
        config=TraceKind.CONFIG,
        kind=_PULL,
        repository=repository.full_name,
        digest=digest,
        client=client_key(client),
        connection=client.connection,
    )


def has_due(sql: sqlite3.Connection, *, now: datetime, pulls_until: datetime, pushes_until: datetime) -> bool:
    found = _HAS_DUE.run(
        sql, now=seconds(now), pulls_until=seconds(pulls_until), pushes_until=seconds(pushes_until)
    )
    return found.fetchone() is not None


def read_pulls(
    sql: sqlite3.Connection, rows: Iterable[Row], client: Client | None = None
) -> tuple[HeldPull, ...]:
    """Of rows of event id, event, connection and layers, and of client where they are not all of one."""
    read = partial(_pull, client=client)
    ordered = sorted(rows, key=_due_at)
    return tuple(readable(ordered, read, table="held", on_unreadable=partial(_flag, sql)))


def read_pushes(sql: sqlite3.Connection, rows: Iterable[Row]) -> tuple[HeldPush, ...]:
    ordered = sorted(rows, key=_due_at)
    return tuple(readable(ordered, _push, table="held", on_unreadable=partial(_flag, sql)))


def read_waiting_pushes(rows: Iterable[Row]) -> dict[UUID, str]:
    """The digests of held pushes by event; of rows of both."""
    return dict(readable(rows, lambda row: (UUID(row[0]), row[1]), table="held"))


def _flag(sql: sqlite3.Connection, row: Row) -> None:
    _MARK.run(sql, kind=UNREADABLE, event_id=row[0])


def _due_at(row: Row) -> float:
    return row[6] if isinstance(row[6], int | float) else 0.0


def _push(row: Row) -> HeldPush:
    return HeldPush(event=event_from_json(row[1]), due_at=moment(row[6]))


def _pull(row: Row, client: Client | None) -> HeldPull:
    _, event, connection, layers, key, _, due_at, needs_blob, blob_fetched, layer_fetched, asked, _ = row
    own = replace(client, connection=str(connection)) if client else client_from_key(key, connection)
    return HeldPull(
        event=event_from_json(event),
        client=own,
        due_at=moment(due_at),
        needs_blob=bool(needs_blob),
        blob_fetched=bool(blob_fetched),
        layer_fetched=bool(layer_fetched),
        layers=layers,
        asked=asked,
    )
