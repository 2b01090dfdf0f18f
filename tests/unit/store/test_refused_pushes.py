"""What is kept of a refused push, and pings of its client."""

import sqlite3
from dataclasses import replace
from datetime import timedelta

import pytest

from sidecar.model.changes import PingsTaken, PushRefused
from sidecar.model.exchange import Client
from sidecar.model.memory import RefusedPush, Scope, Snapshot
from sidecar.model.names import Repository, repository_of
from sidecar.store.refused_pushes import forget_refused_pushes, note_ping
from sidecar.store.snapshots import snapshot_of
from tests.support.builders import DOCKER, SKOPEO, START
from tests.support.rows import write

APP = repository_of("prj/app", default_project="library")
OTHER = repository_of("prj/other", default_project="library")
SECOND = timedelta(seconds=1)
PUSH = RefusedPush(
    refused_at=START,
    until=START + 30 * SECOND,
    since=START - SECOND,
    opened_at=None,
    status=500,
    what="v1",
    connection="c1",
)


KEPT = PushRefused(DOCKER, APP, PUSH)


def found(sql: sqlite3.Connection, client: Client = DOCKER, repository: Repository = APP) -> Snapshot:
    return snapshot_of(sql, Scope(repository=repository, client=client, refused_in=repository))


def take_ping(sql: sqlite3.Connection, second: int) -> None:
    at = START + second * SECOND
    write(sql, PingsTaken(DOCKER, at - 3 * SECOND, at))


def test_a_push_is_kept_for_its_client_and_repository(memory: sqlite3.Connection) -> None:
    for push in (PUSH, replace(PUSH, status=403, opened_at=START + SECOND)):
        write(memory, PushRefused(DOCKER, APP, push))
        assert found(memory, replace(DOCKER, connection="another")).refused_push == push
    assert found(memory, SKOPEO).refused_push is None
    assert found(memory, repository=OTHER).refused_push is None
    assert snapshot_of(memory, Scope(repository=APP, client=DOCKER)).refused_push is None


def test_a_ping_says_nothing_of_its_user_and_is_taken_once(memory: sqlite3.Connection) -> None:
    write(memory, KEPT)
    assert found(memory).pings == ()
    note_ping(memory, replace(DOCKER, operator=""), at=START + SECOND)
    write(memory, replace(KEPT, push=replace(PUSH, until=START + 60 * SECOND)))
    assert (found(memory).pinged_at, found(memory).pings) == (START + SECOND, (START + SECOND,))
    take_ping(memory, 2)
    assert (found(memory).pinged_at, found(memory).pings) == (None, ())


def test_a_ping_is_seen_by_what_its_client_does_elsewhere_but_is_of_no_push_there(
    memory: sqlite3.Connection,
) -> None:
    write(memory, KEPT)
    note_ping(memory, DOCKER, at=START + SECOND)
    elsewhere = found(memory, repository=OTHER)
    assert (elsewhere.pinged_at, elsewhere.pings) == (None, (START + SECOND,))
    assert found(memory, SKOPEO).pings == ()


def test_a_ping_before_the_push_was_refused_is_not_noted(memory: sqlite3.Connection) -> None:
    write(memory, KEPT)
    note_ping(memory, DOCKER, at=START)
    assert found(memory).pings == ()


@pytest.mark.parametrize("second", [0, 5])
def test_a_ping_is_not_taken_by_what_began_before_it_nor_much_later(
    memory: sqlite3.Connection, second: int
) -> None:
    write(memory, KEPT)
    note_ping(memory, DOCKER, at=START + SECOND)
    take_ping(memory, second)
    assert found(memory).pings == (START + SECOND,)


def test_pushes_are_forgotten_when_they_have_ended(memory: sqlite3.Connection) -> None:
    write(memory, KEPT)
    forget_refused_pushes(memory, before=START + 29 * SECOND)
    assert found(memory).refused_push
    forget_refused_pushes(memory, before=START + 31 * SECOND)
    assert found(memory).refused_push is None


@pytest.mark.parametrize("column", ["refused_at", "until", "status", "since", "pinged_at"])
def test_a_row_that_cannot_be_read_is_no_push(memory: sqlite3.Connection, column: str) -> None:
    write(memory, KEPT)
    memory.execute(f"UPDATE refused_pushes SET {column} = 'nonsense'")
    assert found(memory).refused_push is None
    memory.execute("UPDATE refused_pushes SET pinged_at = NULL")
    write(memory, KEPT)
    assert found(memory).refused_push == PUSH
