"""Exchanges in, deliveries in a real store; what a policy does not want costs nothing."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from sidecar.detectors.scopes import remembered, scope_of_intent
from sidecar.model.admission import AdmissionRequest
from sidecar.model.changes import Decided
from sidecar.model.delivery import Delivery, DeliveryState, TargetKey
from sidecar.model.event import Chart, EventType
from sidecar.model.exchange import Exchange, Facts, Intent, Outcome
from sidecar.model.names import Digest, Reference, parse_digest, parse_reference, repository_of
from sidecar.model.operation import (
    DeleteChart,
    DeleteManifest,
    DownloadChart,
    GetBlob,
    GetManifest,
    HeadManifest,
    Operation,
    Other,
    PutManifest,
    Routes,
    UploadChart,
    UploadStep,
    WriteBlob,
)
from sidecar.policies.policy import Project, WebhookPolicy
from sidecar.policies.target import PayloadFormat, Target
from sidecar.recording.admission import Admission
from sidecar.recording.recorder import Recorder, RecorderSettings
from sidecar.store.history import Chosen, History
from sidecar.store.outbox import Outbox
from sidecar.store.sqlite import SqliteDatabase
from sidecar.store.store import Store
from tests.support.builders import DOCKER, SKOPEO, START, a_body, a_digest, a_manifest, about, digest_of

APP = repository_of("prj/app", default_project="library")
IMAGE = a_manifest("image")
POLICY = WebhookPolicy(
    id="prj/ci", project="prj", name="ci", targets=(Target(address="http://127.0.0.1:9/hook"),)
)
KEY = TargetKey(policy_id="prj/ci", target_id=POLICY.target_ids[0])
SETTINGS = RecorderSettings(
    hostname="reg.example.com",
    external_url="https://reg.example.com",
    routes=Routes(chart_depth=1),
    policies=(POLICY,),
)


class Clock:
    now = START

    def __call__(self) -> datetime:
        return self.now


class Line:
    """A pipeline on a real store."""

    def __init__(
        self, path: Path, settings: RecorderSettings = SETTINGS, *, monotonic_s: float = 0.0
    ) -> None:
        self.clock = Clock()
        self.monotonic_s = monotonic_s
        self.database = SqliteDatabase(path / "store.db")
        self.database.open()
        self.outbox = Outbox(self.database, run="this")
        self.store = Store(self.database)
        self.counted: list[EventType] = []
        self.ended: list[DeliveryState] = []
        self.pipeline = Recorder(
            self.store,
            self.outbox,
            settings,
            now=self.clock,
            monotonic=lambda: self.monotonic_s,
            on_event=self.counted.append,
            on_ended=self.ended.append,
        )
        self.admission = Admission(self.store, run="this", is_strict=lambda: False)

    async def deliveries(self) -> list[Delivery]:
        late = START + timedelta(days=1)
        return (await self.outbox.claim(KEY, limit=100, now=late, skip=())).jobs

    async def opened(self, intent: Intent, *, run: str) -> None:
        """As the recorder of another run opens it."""
        await self.store.record(
            scope_of_intent(intent),
            lambda found: Decided(opens=replace(intent, remembered=remembered(intent, found)), run=run),
        )

    async def written(self) -> None:
        """What was posted has been done."""
        await self.store.record(None, lambda _: Decided())

    async def last_upload(self) -> datetime:
        await self.written()
        query = "SELECT uploaded_at FROM repositories WHERE repository = ?"
        (at,) = await self.database.read(lambda sql: sql.execute(query, (APP.full_name,)).fetchone())
        return datetime.fromtimestamp(at, UTC)

    async def open_intents(self) -> int:
        return (await self.store.figures()).intents_open


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    it = Line(tmp_path)
    yield it
    it.database.close()


def an_exchange(operation: Operation, status: int = 201, **more: Any) -> Exchange:
    known: dict[str, Any] = {"id": uuid4(), "client": DOCKER, "began_at": START, "answered_at": START}
    return Exchange(operation=operation, status=status, **{"outcome": Outcome.COMPLETED} | known | more)


def a_push(**more: Any) -> Exchange:
    return an_exchange(PutManifest(APP, parse_reference("v1")), **about(IMAGE), **more)


def asked(exchange: Exchange) -> AdmissionRequest:
    return AdmissionRequest(
        id=exchange.id,
        operation=PutManifest(APP, parse_reference("v1")),
        client=DOCKER,
        came_at=START,
        request_body=a_body(IMAGE),
        content_digest=digest_of(IMAGE),
    )


async def test_a_push_is_stored_and_closes_its_intent(line: Line) -> None:
    push = a_push()
    await line.admission.admit(asked(push))
    assert await line.open_intents() == 1
    await line.pipeline.record(push)
    assert await line.open_intents() == 0
    (delivery,) = await line.deliveries()
    assert digest_of(IMAGE).encode() in delivery.body
    assert line.counted == [EventType.IMAGE_PUSH]


async def test_recording_twice_stores_once(line: Line) -> None:
    push = a_push()
    await line.pipeline.record(push)
    await line.pipeline.record(push)
    assert len(await line.deliveries()) == 1


async def test_a_refused_push_closes_its_intent_and_stores_nothing(line: Line) -> None:
    push = a_push(status=403)
    await line.admission.admit(asked(push))
    await line.pipeline.record(push)
    assert await line.open_intents() == 0
    assert await line.deliveries() == []


async def test_an_answer_that_never_came_leaves_the_intent_to_the_reconciler(line: Line) -> None:
    push = a_push(status=0, outcome=Outcome.UPSTREAM_FAILED)
    await line.admission.admit(asked(push))
    await line.pipeline.record(push)
    assert [intent.id for intent in await line.store.intents_left_open()] == [push.id]


async def test_a_pull_is_stored_when_its_hold_is_over(line: Line) -> None:
    get = GetManifest(APP, parse_reference("v1"))
    await line.pipeline.record(an_exchange(get, 200, **about(IMAGE)))
    await line.pipeline.raise_due()
    assert await line.deliveries() == []
    line.clock.now += timedelta(seconds=4)
    await line.pipeline.raise_due()
    assert len(await line.deliveries()) == 1


async def test_a_blob_makes_the_next_get_a_pull_of_its_own(line: Line) -> None:
    get = an_exchange(GetManifest(APP, parse_reference("v1")), 200, **about(IMAGE))
    await line.pipeline.record(get)
    line.pipeline.saw_blob(DOCKER, APP, Digest(a_digest("layer")))
    await line.pipeline.record(replace(get, id=uuid4()))
    line.clock.now += timedelta(seconds=4)
    await line.pipeline.raise_due()
    assert len(await line.deliveries()) == 2


async def test_a_blob_that_is_asked_for_at_once_is_noted_after_its_manifest(line: Line) -> None:
    put = PutManifest(APP, parse_reference("v1"))
    await line.pipeline.record(an_exchange(put, **about(IMAGE)))
    by_digest = GetManifest(APP, Reference(digest=digest_of(IMAGE)))
    pull = asyncio.ensure_future(line.pipeline.record(an_exchange(by_digest, 200, **about(IMAGE))))
    await asyncio.sleep(0)  # the record is under way, and not stored yet
    line.pipeline.saw_blob(DOCKER, APP, Digest(a_digest("layer")))
    await pull
    line.clock.now += timedelta(seconds=4)
    await line.pipeline.raise_due()
    assert [d.event_type for d in await line.deliveries()] == [EventType.IMAGE_PUSH, EventType.IMAGE_PULL]


async def test_an_upload_keeps_a_push_by_digest_waiting(line: Line) -> None:
    put = PutManifest(APP, Reference(digest=digest_of(IMAGE)))
    await line.pipeline.record(an_exchange(put, **about(IMAGE)))
    line.clock.now += timedelta(seconds=29)
    line.pipeline.saw_upload(DOCKER, APP, START)
    line.clock.now += timedelta(seconds=2)
    await line.pipeline.raise_due()
    assert await line.deliveries() == []
    line.clock.now += timedelta(seconds=40)
    await line.pipeline.raise_due()
    assert len(await line.deliveries()) == 1


async def test_an_upload_is_noted_every_few_seconds_though_the_clock_goes_back(line: Line) -> None:
    line.pipeline.saw_upload(DOCKER, APP, START)
    line.clock.now -= timedelta(hours=1)
    line.pipeline.saw_upload(DOCKER, APP, START)
    assert await line.last_upload() == START
    line.monotonic_s += 5
    line.pipeline.saw_upload(DOCKER, APP, START)
    assert await line.last_upload() == START - timedelta(hours=1)


async def test_a_pull_is_stored_when_its_hold_is_over_though_the_clock_goes_back(line: Line) -> None:
    get = an_exchange(GetManifest(APP, parse_reference("v1")), 200, **about(IMAGE))
    await line.pipeline.record(get)
    line.clock.now -= timedelta(hours=1)
    await line.pipeline.record(replace(get, id=uuid4(), client=SKOPEO))  # answered before
    await line.pipeline.raise_due()
    assert await line.deliveries() == []
    line.clock.now += timedelta(seconds=4)
    await line.pipeline.raise_due()
    assert len(await line.deliveries()) == 2


async def test_what_was_answered_before_the_clock_went_back_was_answered_now(line: Line) -> None:
    line.clock.now -= timedelta(hours=1)
    await line.pipeline.record(a_push())
    assert not await line.store.tag_seen_since(APP, "v1", digest_of(IMAGE), START - timedelta(minutes=59))
    assert len(await line.deliveries()) == 1


async def test_ignored_user_agents_pull_unnoticed_but_push_like_others(tmp_path: Path) -> None:
    line = Line(tmp_path, replace(SETTINGS, ignore_user_agents=("docker/*",)))
    get = GetManifest(APP, parse_reference("v1"))
    await line.pipeline.record(an_exchange(get, 200, **about(IMAGE)))
    await line.pipeline.record(a_push())
    line.clock.now += timedelta(seconds=10)
    await line.pipeline.raise_due()
    assert [delivery.event_type for delivery in await line.deliveries()] == [EventType.IMAGE_PUSH]
    line.database.close()


@pytest.mark.parametrize("grouped", [True, False])
async def test_harbors_own_client_pulls_unnoticed_in_every_mode(tmp_path: Path, *, grouped: bool) -> None:
    line = Line(tmp_path, replace(SETTINGS, grouped=grouped))
    get = an_exchange(GetManifest(APP, parse_reference("v1")), 200, **about(IMAGE))
    for agent in ("harbor-registry-client", "harbor-registry-client/2"):
        client = replace(DOCKER, user_agent=agent)
        await line.pipeline.record(replace(get, id=uuid4(), client=client))
    await line.pipeline.record(a_push(client=replace(DOCKER, user_agent="harbor-registry-client")))
    line.clock.now += timedelta(seconds=10)
    await line.pipeline.raise_due()
    kinds = sorted(delivery.event_type for delivery in await line.deliveries())
    assert kinds == [EventType.IMAGE_PULL, EventType.IMAGE_PUSH]
    line.database.close()


async def test_a_repository_older_than_the_sidecar_is_dated_from_its_first_pull(tmp_path: Path) -> None:
    target = Target(address="http://127.0.0.1:9/hook", payload_format=PayloadFormat.DEFAULT)
    line = Line(tmp_path, replace(SETTINGS, policies=(replace(POLICY, targets=(target,)),)))
    get = GetManifest(APP, parse_reference("v1"))
    await line.pipeline.record(an_exchange(get, 200, **about(IMAGE)))
    line.clock.now += timedelta(hours=1)
    await line.pipeline.raise_due()
    gone = DeleteManifest(APP, Reference(digest=digest_of(IMAGE)))
    await line.pipeline.record(an_exchange(gone, 202, answered_at=line.clock.now))
    bodies = [json.loads(delivery.body) for delivery in await line.deliveries()]
    assert [body["type"] for body in bodies] == ["PULL_ARTIFACT", "DELETE_ARTIFACT"]
    dates = [body["event_data"]["repository"]["date_created"] for body in bodies]
    assert dates == [int(START.timestamp())] * 2
    line.database.close()


async def test_a_delete_is_the_first_sight_of_a_repository_too(tmp_path: Path) -> None:
    target = Target(address="http://127.0.0.1:9/hook", payload_format=PayloadFormat.DEFAULT)
    line = Line(tmp_path, replace(SETTINGS, policies=(replace(POLICY, targets=(target,)),)))
    await line.pipeline.record(an_exchange(DeleteManifest(APP, Reference(digest=digest_of(IMAGE))), 202))
    (delivery,) = await line.deliveries()
    assert json.loads(delivery.body)["event_data"]["repository"]["date_created"] == int(START.timestamp())
    line.database.close()


async def test_the_global_switch_stops_everything(tmp_path: Path) -> None:
    line = Line(tmp_path, replace(SETTINGS, enabled=False))
    assert not line.pipeline.is_observed(PutManifest(APP, parse_reference("v1")))
    await line.pipeline.record(a_push())
    assert await line.deliveries() == []
    line.database.close()


async def test_an_oci_chart_raises_both_where_the_project_asks(tmp_path: Path) -> None:
    project = Project(name="prj", oci_chart_events=True)
    line = Line(tmp_path, replace(SETTINGS, projects=(project,)))
    chart = a_manifest("chart", config_type="application/vnd.cncf.helm.config.v1+json")
    facts = Facts(chart=Chart(name="app", version="1.0.0", type="application", size_bytes=9))
    await line.pipeline.record(replace(a_push(facts=facts), **about(chart)))
    kinds = [delivery.event_type for delivery in await line.deliveries()]
    assert kinds == [EventType.IMAGE_PUSH, EventType.CHART_PUSH]
    line.database.close()


@pytest.mark.parametrize(
    ("operation", "wanted_by"),
    [
        (PutManifest(APP, parse_reference("v1")), EventType.IMAGE_DELETE),
        (GetManifest(APP, parse_reference("v1")), EventType.IMAGE_PULL),
        (HeadManifest(APP, parse_reference("v1")), EventType.IMAGE_PULL),
        (DeleteManifest(APP, parse_reference("v1")), EventType.IMAGE_DELETE),
        (GetBlob(APP, parse_digest(a_digest("x"))), EventType.IMAGE_PULL),
        (WriteBlob(APP, UploadStep.START), EventType.IMAGE_PUSH),
        (UploadChart("prj"), EventType.CHART_PUSH),
        (DownloadChart("prj", "a-1.tgz"), EventType.CHART_PULL),
        (DeleteChart("prj", "a", "1"), EventType.CHART_DELETE),
    ],
)
def test_only_what_a_policy_wants_is_observed(line: Line, operation: Operation, wanted_by: EventType) -> None:
    only = replace(POLICY, event_types=frozenset({wanted_by}))
    line.pipeline.apply(replace(SETTINGS, policies=(only,)))
    assert line.pipeline.is_observed(operation)
    line.pipeline.apply(replace(SETTINGS, policies=(replace(only, project="*"),)))
    assert line.pipeline.is_observed(operation)
    line.pipeline.apply(replace(SETTINGS, policies=(replace(only, project="other"),)))
    assert not line.pipeline.is_observed(operation)
    line.pipeline.apply(replace(SETTINGS, policies=(replace(only, enabled=False),)))
    assert not line.pipeline.is_observed(operation)
    assert not line.pipeline.is_observed(Other())


async def test_a_full_store_never_stops_a_push_and_keeps_its_event(line: Line) -> None:
    connection = line.database._open_file._connection
    assert connection is not None
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    pushes = [a_push(facts=Facts(tags=("x" * 200_000,))) for _ in range(2)]
    for push in pushes:
        await line.admission.admit(replace(asked(push), request_id="x" * 200_000))
        await line.pipeline.record(replace(push, request_id="x" * 200_000))
    assert line.store.health.pending_events == 2
    connection.execute("PRAGMA max_page_count = 1073741823")
    async with asyncio.timeout(5):
        while line.store.health.error:
            await asyncio.sleep(0.05)
    assert len(await line.deliveries()) == 2


async def test_a_format_that_raises_closes_the_intent_and_is_seen_as_given_up(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raises(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("sidecar.formats.documented.encode", raises)
    push = a_push()
    await line.admission.admit(asked(push))
    await line.pipeline.record(push)
    assert await line.open_intents() == 0
    assert await line.deliveries() == []
    (kept,) = await line.database.read(lambda sql: History(sql).deliveries(Chosen(), limit=9))
    assert (kept.state, kept.failures) == (DeliveryState.GIVEN_UP, 0)
    assert kept.reason.startswith("the format failed: ZeroDivisionError")
    assert line.ended == [DeliveryState.GIVEN_UP]


async def test_an_intent_whose_exchange_cannot_be_detected_is_left_to_the_reconciler(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raises(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("sidecar.recording.recorder.detect", raises)
    push = a_push()
    await line.admission.admit(asked(push))
    await line.pipeline.record(push)
    assert [found.id for found in await line.store.intents_left_open()] == [push.id]
