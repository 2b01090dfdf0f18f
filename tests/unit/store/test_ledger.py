"""What one transaction remembers; the grouping tests use the rest of it."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from sidecar.model.delivery import Delivery, TargetKey
from sidecar.model.event import Event, EventType
from sidecar.model.exchange import Intent
from sidecar.model.memory import HeldPull, KnownManifest
from sidecar.model.names import Digest, parse_reference, repository_of
from sidecar.model.operation import PutManifest
from sidecar.store.file import migrate
from sidecar.store.ledger import Ledger
from sidecar.store.records import client_key, event_to_json
from sidecar.store.schema import MIGRATIONS
from tests.support.builders import DOCKER, START, a_digest

APP = repository_of("prj/app", default_project="library")
DIGEST, OTHER = Digest(a_digest("one")), Digest(a_digest("two"))


@pytest.fixture
def sql() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    yield connection
    connection.close()


@pytest.fixture
def ledger(sql: sqlite3.Connection) -> Ledger:
    return Ledger(sql)


def test_a_tag_names_the_digest_seen_last_whatever_the_order_of_learning(ledger: Ledger) -> None:
    ledger.learn_tag(APP, "v1", DIGEST, at=START + timedelta(seconds=1))
    ledger.learn_tag(APP, "v1", OTHER, at=START)  # reconciled later, happened before
    assert ledger.tags_of(APP, DIGEST) == ("v1",)
    assert ledger.tags_of(APP, OTHER) == ()
    assert ledger.tag_seen_since(APP, "v1", DIGEST, START)
    assert not ledger.tag_seen_since(APP, "v1", DIGEST, START + timedelta(seconds=2))


def test_a_tag_learnt_before_the_clock_was_set_back_is_learnt_anew(sql: sqlite3.Connection) -> None:
    Ledger(sql).learn_tag(APP, "v1", DIGEST, at=START + timedelta(hours=1))
    ledger = Ledger(sql, now_s=START.timestamp())
    ledger.learn_tag(APP, "v1", OTHER, at=START)
    assert (ledger.tags_of(APP, DIGEST), ledger.tags_of(APP, OTHER)) == ((), ("v1",))
    ledger.learn_tag(APP, "v1", DIGEST, at=START - timedelta(seconds=1))
    assert ledger.tags_of(APP, OTHER) == ("v1",)


def test_forgetting_a_digest_forgets_its_tags_and_manifest(ledger: Ledger) -> None:
    known = KnownManifest(media_type="m", content_bytes=1, children=(), platforms=(), is_attached=False)
    ledger.learn_tag(APP, "v1", DIGEST, at=START)
    ledger.learn_tag(APP, "v2", OTHER, at=START)
    ledger.learn_manifest(APP, DIGEST, known, at=START)
    assert ledger.manifest(APP, DIGEST) == known
    ledger.forget_digest(APP, DIGEST)
    assert ledger.manifest(APP, DIGEST) is None
    assert (ledger.tags_of(APP, DIGEST), ledger.tags_of(APP, OTHER)) == ((), ("v2",))


def test_repository_keeps_the_time_of_its_first_sight(ledger: Ledger) -> None:
    assert ledger.created_at(APP) is None
    assert ledger.created_at(APP, at=START) == int(START.timestamp())
    assert ledger.created_at(APP, at=START + timedelta(days=1)) == int(START.timestamp())


def test_noting_an_upload_is_no_first_sight_of_a_repository(ledger: Ledger) -> None:
    ledger.note_upload(APP, at=START)
    assert ledger.last_upload(APP) == START
    assert ledger.created_at(APP) is None


def test_traces_are_forgotten_by_age(ledger: Ledger) -> None:
    ledger.learn_push(DOCKER, APP, DIGEST, at=START)
    assert ledger.pushed_since(DOCKER, APP, DIGEST, START)
    ledger.forget_traces(before=START + timedelta(seconds=1))
    assert not ledger.pushed_since(DOCKER, APP, DIGEST, START)


def test_intents_open_amend_and_close(ledger: Ledger, sql: sqlite3.Connection) -> None:
    intent = Intent(
        id=uuid4(), operation=PutManifest(APP, parse_reference("v1")), client=DOCKER, opened_at=START
    )
    ledger.open_intent(intent, run="this")
    ledger.open_intent(replace(intent, chart_sizes={DIGEST: 1}), run="this")
    assert sql.execute("SELECT run, count(*) FROM intents").fetchone() == ("this", 1)
    ledger.disown_intent(intent.id)
    assert sql.execute("SELECT run FROM intents").fetchone() == ("",)
    ledger.close_intent(intent.id)
    assert sql.execute("SELECT count(*) FROM intents").fetchone() == (0,)


def test_last_triggered_never_goes_back(ledger: Ledger, sql: sqlite3.Connection) -> None:
    for seconds in (5, 0):
        event = Event(
            id=uuid4(),
            type=EventType.IMAGE_PUSH,
            occurred_at=START + timedelta(seconds=seconds),
            operator="",
            repository=APP,
        )
        delivery = Delivery(
            id=uuid4(),
            event_id=event.id,
            event_type=event.type,
            target=TargetKey(policy_id="prj/ci", index=0),
            repository="prj/app",
            body=b"",
            content_type="",
            created_at=START,
        )
        ledger.store_event(event, [delivery], next_attempt_at=START)
    at = sql.execute("SELECT at FROM last_triggered WHERE policy_id = 'prj/ci'").fetchall()
    assert at == [((START + timedelta(seconds=5)).timestamp(),)]


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
    ledger = Ledger(connection)
    (held,) = ledger.due_pulls(START)
    assert (held.event, held.client, held.client.connection) == (event, DOCKER, "")
    assert (held.layers, held.layer_fetched, held.asked) == ("", False, 1)
    ledger.note_blob_fetched(replace(DOCKER, connection="40123"), APP, DIGEST)
    assert ledger.due_pulls(START)[0].layer_fetched
    assert ledger.take_pulled_child(DOCKER, APP, DIGEST, at=START, since=START)
    connection.close()


def test_a_blob_is_of_the_pull_on_its_connection_or_else_of_any(ledger: Ledger) -> None:
    clients = [replace(DOCKER, connection=port) for port in ("1", "2")]
    for client in clients:
        event = Event(
            id=uuid4(),
            type=EventType.IMAGE_PULL,
            occurred_at=START,
            operator="",
            repository=APP,
            digest=DIGEST,
        )
        ledger.hold_pull(HeldPull(event=event, client=client, due_at=START, needs_blob=False))
    config = Digest(a_digest("config"))
    ledger.learn_config(APP, config, at=START)

    def fetched() -> dict[str, tuple[bool, bool]]:
        held = ledger.held_pulls(DOCKER, APP, DIGEST)
        return {pull.client.connection: (pull.blob_fetched, pull.layer_fetched) for pull in held}

    ledger.note_blob_fetched(clients[0], APP, config)
    assert fetched() == {"1": (True, False), "2": (False, False)}
    ledger.note_blob_fetched(clients[1], APP, OTHER)
    assert fetched() == {"1": (True, False), "2": (True, True)}
    ledger.note_blob_fetched(replace(DOCKER, connection="3"), APP, OTHER)
    assert fetched() == {"1": (True, True), "2": (True, True)}
