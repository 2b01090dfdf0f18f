"""Traces of clients: each is taken once."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from sidecar.model.names import Digest, repository_of
from sidecar.store.file import migrate
from sidecar.store.ledger import Ledger
from tests.support.builders import DOCKER, SKOPEO, START, a_digest

APP = repository_of("prj/app", default_project="library")
DIGEST = Digest(a_digest("image"))
SECOND = timedelta(seconds=1)
MINUTES = timedelta(minutes=5)


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    yield Ledger(connection)
    connection.close()


def take_child(ledger: Ledger, seconds: int, *, again_s: int | None = None) -> bool:
    at = START + seconds * SECOND
    again_since = at - again_s * SECOND if again_s else None
    return ledger.take_pulled_child(DOCKER, APP, DIGEST, at=at, since=at - MINUTES, again_since=again_since)


def fetch_index(ledger: Ledger, seconds: int) -> None:
    at = START + seconds * SECOND
    ledger.learn_pulled_children(DOCKER, APP, (DIGEST,), at=at, since=at - MINUTES)


def test_a_child_is_taken_once_for_each_fetch_of_its_index(ledger: Ledger) -> None:
    for second in (0, 20):
        fetch_index(ledger, second)
    assert [take_child(ledger, second) for second in (60, 90, 91)] == [True, True, False]


def test_a_child_is_taken_again_within_the_time_of_a_client_that_asks_several_times(ledger: Ledger) -> None:
    fetch_index(ledger, 0)
    assert take_child(ledger, 1, again_s=10)
    assert take_child(ledger, 10, again_s=10)
    assert not take_child(ledger, 25, again_s=10)


def test_children_of_long_ago_are_neither_taken_nor_counted(ledger: Ledger) -> None:
    fetch_index(ledger, 0)
    assert not take_child(ledger, 301)
    fetch_index(ledger, 400)
    assert [take_child(ledger, second) for second in (401, 402)] == [True, False]


def test_a_resolution_is_taken_once_the_last_one_first(ledger: Ledger) -> None:
    for second, tag in enumerate(("v1", "v2")):
        ledger.learn_resolution(DOCKER, APP, tag, DIGEST, at=START + second * SECOND)

    def take() -> str:
        return ledger.take_resolved_tag(DOCKER, APP, DIGEST, since=START, until=START + MINUTES)

    assert [take(), take(), take()] == ["v2", "v1", ""]
    assert ledger.resolved_tag(DOCKER, APP, DIGEST, since=START, until=START + MINUTES) == "v2"


def test_a_resolution_is_known_to_be_of_its_connection(ledger: Ledger) -> None:
    one, other = (replace(DOCKER, connection=port) for port in ("1", "2"))
    ledger.learn_resolution(one, APP, "v1", DIGEST, at=START)
    ledger.learn_resolution(replace(SKOPEO, connection=""), APP, "v1", DIGEST, at=START)
    assert ledger.resolved_on_connection(one, APP, DIGEST, START)
    assert not ledger.resolved_on_connection(other, APP, DIGEST, START)
    assert not ledger.resolved_on_connection(one, APP, DIGEST, START + SECOND)
    assert not ledger.resolved_on_connection(SKOPEO, APP, DIGEST, START)
