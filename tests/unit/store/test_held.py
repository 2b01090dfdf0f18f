"""Events that wait."""

import sqlite3
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from sidecar.model.changes import AskedAgain, DueLater, HeldNoLonger, PullHeld, PushHeld, Released, TraceLeft
from sidecar.model.event import Event, EventType
from sidecar.model.exchange import Client
from sidecar.model.memory import HeldPull, HeldPush, HeldSnapshot, Scope, Trace, TraceKind
from sidecar.model.names import Digest, repository_of
from sidecar.store.file import migrate
from sidecar.store.held import note_blob_fetched
from sidecar.store.records import client_key, event_to_json
from sidecar.store.schema import MIGRATIONS
from sidecar.store.snapshots import held_snapshot, snapshot_of
from tests.support.builders import DOCKER, SKOPEO, START, a_digest
from tests.support.rows import write

APP = repository_of("prj/app", default_project="library")
DIGEST, OTHER = Digest(a_digest("one")), Digest(a_digest("two"))
SECOND = timedelta(seconds=1)


def an_event(kind: EventType = EventType.IMAGE_PULL, digest: str = DIGEST) -> Event:
    return Event(id=uuid4(), type=kind, occurred_at=START, operator="", repository=APP, digest=digest)


def a_pull(client: Client = DOCKER, digest: str = DIGEST, due_at: datetime = START) -> HeldPull:
    return HeldPull(
        event=an_event(digest=digest), client=client, due_at=due_at, needs_blob=True, layers="mark"
    )


def a_push(digest: str = DIGEST, due_at: datetime = START) -> HeldPush:
    return HeldPush(event=an_event(EventType.IMAGE_PUSH, digest), due_at=due_at)


def held_at(sql: sqlite3.Connection, now: datetime) -> HeldSnapshot:
    return held_snapshot(sql, now=now, pulls_until=now + 3 * SECOND, pushes_until=now + 30 * SECOND)


def due_pulls(sql: sqlite3.Connection) -> tuple[HeldPull, ...]:
    return held_at(sql, START).pulls


def held_of(sql: sqlite3.Connection, client: Client = DOCKER) -> tuple[HeldPull, ...]:
    return snapshot_of(sql, Scope(repository=APP, client=client, pulls_of=(DIGEST,))).held_pulls


def test_what_is_held_is_found_as_it_was_held_until_it_is_released(memory: sqlite3.Connection) -> None:
    clients = [replace(DOCKER, connection=port) for port in ("1", "2")]
    pulls = [a_pull(client, due_at=START + n * SECOND) for n, client in enumerate(clients)]
    write(memory, PullHeld(pulls[0]), PullHeld(pulls[1]), PushHeld(a_push()), PullHeld(pulls[0]))
    assert held_of(memory) == tuple(pulls)
    assert [held.client.connection for held in held_of(memory)] == ["1", "2"]
    assert held_of(memory, SKOPEO) == ()
    write(memory, Released(pulls[0].event.id), AskedAgain(pulls[1].event.id))
    assert held_of(memory) == (replace(pulls[1], asked=2),)


def test_all_of_a_client_in_a_repository_are_found_or_those_of_a_digest(memory: sqlite3.Connection) -> None:
    own, other, foreign = a_pull(), a_pull(digest=OTHER), a_pull(SKOPEO)
    write(memory, *map(PullHeld, (own, other, foreign)))
    whole = snapshot_of(memory, Scope(repository=APP, client=DOCKER, all_pulls=True))
    assert {held.event.id for held in whole.held_pulls} == {own.event.id, other.event.id}
    assert held_of(memory) == (own,)


def test_pushes_of_these_digests_are_found_by_whomever(memory: sqlite3.Connection) -> None:
    one, two, three = a_push(), a_push(OTHER), a_push(a_digest("three"))
    write(memory, *map(PushHeld, (one, two, three)))
    found = snapshot_of(memory, Scope(repository=APP, digests=(DIGEST, OTHER), pushes=True)).held_pushes
    assert found == {one.event.id: DIGEST, two.event.id: OTHER}
    assert snapshot_of(memory, Scope(repository=APP, digests=(DIGEST,))).held_pushes == {}


def test_what_is_due_comes_in_order_and_one_of_what_is_too_late(memory: sqlite3.Connection) -> None:
    pulls = [a_pull(due_at=START + n * SECOND) for n in (0, -1, 2, 4, 5)]
    pushes = [a_push(due_at=START + n * SECOND) for n in (-2, 29, 31, 32)]
    write(memory, *map(PullHeld, pulls), *map(PushHeld, pushes))
    held = held_at(memory, START)
    assert (held.pulls[:2], held.pushes[:1]) == ((pulls[1], pulls[0]), (pushes[0],))
    assert [late in pulls[3:] for late in held.pulls[2:]] == [True]
    assert [late in pushes[2:] for late in held.pushes[1:]] == [True]
    write(memory, HeldNoLonger(START + 3 * SECOND, START + 30 * SECOND))
    assert held_at(memory, START).pulls == (pulls[1], pulls[0])
    write(memory, DueLater(pulls[1].event.id, START + SECOND))
    assert held_at(memory, START).pulls == (pulls[0],)


def test_one_that_cannot_be_read_is_marked_and_stops_no_other(memory: sqlite3.Connection) -> None:
    pulls = [a_pull() for _ in range(2)]
    write(memory, *map(PullHeld, pulls), PushHeld(a_push()))
    memory.execute("UPDATE held SET event = '{' WHERE event_id = ?", (str(pulls[0].event.id),))
    assert held_of(memory) == (pulls[1],)
    memory.execute("UPDATE held SET event = '{' WHERE kind = 'push'")
    assert held_at(memory, START).pushes == ()
    assert memory.execute("SELECT count(*) FROM held WHERE kind = 'unreadable'").fetchone() == (2,)


def test_pulls_held_by_an_older_version_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    monkeypatch.setattr("sidecar.store.file.MIGRATIONS", MIGRATIONS[:4])
    migrate(connection)
    event = Event(
        id=uuid4(), type=EventType.IMAGE_PULL, occurred_at=START, operator="", repository=APP, digest=DIGEST
    )
    connection.execute(
        "INSERT INTO held (event_id, kind, repository, digest, client, due_at, event) VALUES (?, 'pull', ?, ?, ?, ?, ?)",
        (
            str(event.id),
            APP.full_name,
            DIGEST,
            client_key(DOCKER),
            START.timestamp(),
            event_to_json(event),
        ),
    )
    connection.execute(
        "INSERT INTO traces (kind, client, repository, digest, tag, seen_at) VALUES ('child', ?, ?, ?, '', ?)",
        (client_key(DOCKER), APP.full_name, DIGEST, START.timestamp()),
    )
    monkeypatch.undo()
    migrate(connection)
    (held,) = due_pulls(connection)
    assert (held.event, held.client, held.client.connection) == (event, DOCKER, "")
    assert (held.layers, held.layer_fetched, held.asked) == ("", False, 1)
    note_blob_fetched(connection, replace(DOCKER, connection="40123"), APP, DIGEST)
    assert due_pulls(connection)[0].layer_fetched
    child = snapshot_of(connection, Scope(repository=APP, client=DOCKER, traces=((TraceKind.CHILD, DIGEST),)))
    assert [(trace.seen_at, trace.untaken, trace.taken_at) for trace in child.traces] == [(START, 1, None)]
    connection.close()


def test_a_blob_is_of_the_pull_on_its_connection_or_else_of_any(memory: sqlite3.Connection) -> None:
    clients = [replace(DOCKER, connection=port) for port in ("1", "2")]
    for client in clients:
        write(memory, PullHeld(a_pull(client)))
    config = Digest(a_digest("config"))
    trace = Trace(kind=TraceKind.CONFIG, client=None, repository=APP, digest=config, seen_at=START)
    write(memory, TraceLeft(trace))

    def fetched() -> dict[str, tuple[bool, bool]]:
        held = held_of(memory)
        return {pull.client.connection: (pull.blob_fetched, pull.layer_fetched) for pull in held}

    note_blob_fetched(memory, clients[0], APP, config)
    assert fetched() == {"1": (True, False), "2": (False, False)}
    note_blob_fetched(memory, clients[1], APP, OTHER)
    assert fetched() == {"1": (True, False), "2": (True, True)}
    note_blob_fetched(memory, replace(DOCKER, connection="3"), APP, OTHER)
    assert fetched() == {"1": (True, True), "2": (True, True)}
