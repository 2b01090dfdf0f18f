"""What is kept of a refused push, and pings of its client."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from sidecar.model.memory import RefusedPush
from sidecar.model.names import repository_of
from sidecar.store.file import migrate
from sidecar.store.ledger import Ledger
from tests.support.builders import DOCKER, SKOPEO, START

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


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    it = sqlite3.connect(":memory:", isolation_level=None)
    migrate(it)
    yield it
    it.close()


@pytest.fixture
def ledger(connection: sqlite3.Connection) -> Ledger:
    return Ledger(connection)


def ping_taken(ledger: Ledger, second: int) -> bool:
    at = START + second * SECOND
    return ledger.take_ping(DOCKER, APP, since=at - 3 * SECOND, until=at)


def test_a_push_is_kept_for_its_client_and_repository(ledger: Ledger) -> None:
    for push in (PUSH, replace(PUSH, status=403, opened_at=START + SECOND)):
        ledger.keep_refused_push(DOCKER, APP, push)
        assert ledger.refused_push(replace(DOCKER, connection="another"), APP) == push
    assert ledger.refused_push(SKOPEO, APP) is None
    assert ledger.refused_push(DOCKER, OTHER) is None


def test_a_ping_says_nothing_of_its_user_and_is_taken_once(ledger: Ledger) -> None:
    ledger.keep_refused_push(DOCKER, APP, PUSH)
    assert not ping_taken(ledger, 1)
    ledger.note_ping(replace(DOCKER, operator=""), at=START + SECOND)
    ledger.keep_refused_push(DOCKER, APP, replace(PUSH, until=START + 60 * SECOND))
    assert [ping_taken(ledger, 2), ping_taken(ledger, 2)] == [True, False]


def test_a_ping_is_taken_by_what_its_client_does_elsewhere(ledger: Ledger) -> None:
    ledger.keep_refused_push(DOCKER, APP, PUSH)
    ledger.note_ping(DOCKER, at=START + SECOND)
    assert not ledger.take_ping(DOCKER, OTHER, since=START, until=START + 2 * SECOND)
    assert not ping_taken(ledger, 2)


@pytest.mark.parametrize("second", [0, 5])
def test_a_ping_is_not_taken_by_what_began_before_it_nor_much_later(ledger: Ledger, second: int) -> None:
    ledger.keep_refused_push(DOCKER, APP, PUSH)
    ledger.note_ping(DOCKER, at=START + SECOND)
    assert not ping_taken(ledger, second)


def test_pushes_are_forgotten_when_they_have_ended(ledger: Ledger) -> None:
    ledger.keep_refused_push(DOCKER, APP, PUSH)
    ledger.forget_refused_pushes(before=START + 29 * SECOND)
    assert ledger.refused_push(DOCKER, APP)
    ledger.forget_refused_pushes(before=START + 31 * SECOND)
    assert ledger.refused_push(DOCKER, APP) is None


@pytest.mark.parametrize("column", ["refused_at", "until", "status", "since"])
def test_a_row_that_cannot_be_read_is_no_push(
    ledger: Ledger, connection: sqlite3.Connection, column: str
) -> None:
    ledger.keep_refused_push(DOCKER, APP, PUSH)
    connection.execute(f"UPDATE refused_pushes SET {column} = 'nonsense'")
    assert ledger.refused_push(DOCKER, APP) is None
    ledger.keep_refused_push(DOCKER, APP, PUSH)
    assert ledger.refused_push(DOCKER, APP) == PUSH
