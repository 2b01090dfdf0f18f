"""What becomes of open intents, asked of a real registry; the crash tests do the same to whole processes."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from hashlib import sha256
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import httpx
import pytest
from structlog.testing import capture_logs

from sidecar.detectors import detect
from sidecar.model.changes import Decided, TagLearnt
from sidecar.model.delivery import Delivery
from sidecar.model.event import EventType
from sidecar.model.exchange import Body, Exchange, Facts, Intent
from sidecar.model.memory import SeenTag
from sidecar.model.names import Digest, parse_reference
from sidecar.model.operation import DeleteChart, DeleteManifest, GetManifest, PutManifest, Routes, UploadChart
from sidecar.model.secrets import Secret
from sidecar.parsing.pool import ParserPool
from sidecar.proxy.manifests import read_manifest
from sidecar.recording import reconciler as module
from sidecar.recording.reconciler import Reconciler
from sidecar.store.runs import Runs
from sidecar.upstreams import stored_charts
from sidecar.upstreams.client import UpstreamClient
from tests.support.builders import DOCKER, START
from tests.support.images import Artifact, build_chart, build_image, upload
from tests.support.process import is_installed, require_program
from tests.support.servers import ChartMuseum, Credentials, Registry
from tests.unit.charts.test_chartfile import a_chart
from tests.unit.recording.test_recorder import APP, Line

ALICE = Credentials("alice", "secret")
GET = GetManifest(APP, parse_reference("v1"))
IMAGE, OTHER = build_image("image"), build_image("other")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    if not is_installed("registry"):
        require_program("registry")
    with Registry(tmp_path_factory.mktemp("registry"), users=[ALICE]) as it:
        yield it


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    it = Line(tmp_path)
    yield it
    it.database.close()


@pytest.fixture(autouse=True)
def _settled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SETTLED_S", 0.0)


def a_reconciler(line: Line, behind: Registry, user: Credentials | None = ALICE, **more: Any) -> Reconciler:
    upstream = UpstreamClient(url=behind.url)
    if user:
        upstream = replace(upstream, username=user.user, password=Secret(user.password))
    usual: dict[str, Any] = {
        "registry": lambda: upstream,
        "charts": lambda: None,
        "routes": Routes,
        "parse": ParserPool().run,
        "read_manifest": lambda body: read_manifest(body, ParserPool().run),
    }
    return Reconciler(line.store, line.pipeline, **(usual | more))


async def left_open(line: Line, operation: PutManifest | DeleteManifest, **more: Any) -> Intent:
    intent = Intent(id=uuid4(), operation=operation, client=DOCKER, opened_at=START, **more)
    await line.opened(intent, run="dead")
    return intent


def put(artifact: Artifact, tag: str) -> dict[str, Any]:
    body = Body(artifact.manifest, artifact.media_type)
    digest = Digest(artifact.digest)
    operation = PutManifest(APP, parse_reference(tag))
    return {"operation": operation, "request_body": body, "content_digest": digest}


def has(registry: Registry, artifact: Artifact, tag: str) -> None:
    upload(artifact, registry_url=registry.url, repository="prj/app", tag=tag, auth=ALICE.pair)


async def test_an_accepted_push_is_recorded_under_its_intent_and_once(line: Line, registry: Registry) -> None:
    has(registry, IMAGE, "accepted")
    intent = await left_open(line, **put(IMAGE, "accepted"))
    assert await a_reconciler(line, registry).reconcile() == 0
    (delivery,) = await line.deliveries()
    assert b'"tag":"accepted"' in delivery.body
    await line.opened(intent, run="dead")
    await a_reconciler(line, registry).reconcile()
    assert await line.open_intents() == 0
    assert await line.deliveries() == []


async def test_a_push_that_never_arrived_is_closed_without_an_event(line: Line, registry: Registry) -> None:
    await left_open(line, **put(IMAGE, "never"))
    assert await a_reconciler(line, registry).reconcile() == 0
    assert await line.deliveries() == []


async def test_what_is_not_there_yet_is_asked_again(
    line: Line, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SETTLED_S", 3600.0)
    await left_open(line, **put(IMAGE, "late"))
    asking = a_reconciler(line, registry)
    assert await asking.reconcile() == 1
    has(registry, IMAGE, "late")
    assert await asking.reconcile() == 0
    assert len(await line.deliveries()) == 1


async def test_what_is_not_there_yet_gets_its_time_whatever_the_clock_is_set_to(
    line: Line, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SETTLED_S", 10.0)
    monotonic_s, now = 0.0, START

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls.fromtimestamp(now.timestamp(), tz)

    monkeypatch.setattr(module, "datetime", Clock)
    await left_open(line, **put(IMAGE, "later"))
    asking = a_reconciler(line, registry)
    asking._monotonic = lambda: monotonic_s
    assert await asking.reconcile() == 1
    monotonic_s, now = 9.0, START + timedelta(days=30)
    assert await asking.reconcile() == 1
    monotonic_s, now = 10.0, START - timedelta(days=30)
    assert await asking.reconcile() == 0


async def test_a_tag_that_names_something_older_means_refused(line: Line, registry: Registry) -> None:
    has(registry, IMAGE, "elsewhere")
    has(registry, OTHER, "older")
    await left_open(line, **put(IMAGE, "older"))
    assert await a_reconciler(line, registry).reconcile() == 0
    assert await line.deliveries() == []


async def test_a_push_overtaken_by_a_later_one_is_recorded(line: Line, registry: Registry) -> None:
    has(registry, IMAGE, "moved")
    has(registry, OTHER, "moved")
    later = START + timedelta(seconds=1)
    moved = TagLearnt(APP, "moved", SeenTag(digest=Digest(OTHER.digest), seen_at=later))
    await line.store.record(None, lambda _: Decided(changes=(moved,)))
    await left_open(line, **put(IMAGE, "moved"))
    assert await a_reconciler(line, registry).reconcile() == 0
    (delivery,) = await line.deliveries()
    assert IMAGE.digest.encode() in delivery.body


async def test_a_delete_is_recorded_when_the_digest_is_gone(line: Line, registry: Registry) -> None:
    has(registry, IMAGE, "there")
    there = DeleteManifest(APP, parse_reference(IMAGE.digest))
    gone = DeleteManifest(APP, parse_reference(f"sha256:{'0' * 64}"))
    await left_open(line, there, facts=Facts(existed=True))
    await left_open(line, gone, facts=Facts(existed=True, tags=("v1", "v2")))
    await left_open(line, replace(gone, reference=parse_reference("nothing")), facts=Facts(existed=False))
    assert await a_reconciler(line, registry).reconcile() == 0
    (delivery,) = await line.deliveries()
    assert b'"tags":["v1","v2"]' in delivery.body


async def test_without_credentials_the_intent_stays_open(line: Line, registry: Registry) -> None:
    has(registry, IMAGE, "closed")
    await left_open(line, **put(IMAGE, "closed"))
    assert await a_reconciler(line, registry, user=None).reconcile() == 1
    assert await line.deliveries() == []
    assert await a_reconciler(line, registry).reconcile() == 0
    assert len(await line.deliveries()) == 1


async def test_the_next_client_of_the_repository_lends_its_credentials(
    line: Line, registry: Registry
) -> None:
    has(registry, IMAGE, "lent")
    await left_open(line, **put(IMAGE, "lent"))
    asking = a_reconciler(line, registry, user=None)
    assert not asking.wants_credentials(GET)
    await asking.reconcile()
    assert asking.wants_credentials(GET)
    basic = base64.b64encode(b"alice:secret").decode()
    await asking.reconcile_as(GET, f"Basic {basic}")
    assert len(await line.deliveries()) == 1
    assert not asking.wants_credentials(GET)
    assert await line.open_intents() == 0


async def test_an_upstream_that_is_away_leaves_everything_open(line: Line, registry: Registry) -> None:
    await left_open(line, **put(IMAGE, "away"))
    nowhere = UpstreamClient(url="http://127.0.0.1:9")
    asking = a_reconciler(line, registry, registry=lambda: nowhere)
    assert await asking.reconcile() == 1


async def test_intents_of_living_processes_are_left_alone(line: Line, registry: Registry) -> None:
    intent = Intent(id=uuid4(), client=DOCKER, opened_at=START, **put(IMAGE, "never"))
    await Runs(line.database, "alive").begin()
    await line.opened(intent, run="alive")
    assert await a_reconciler(line, registry).reconcile() == 0
    assert await line.open_intents() == 1


@pytest.fixture(scope="module")
def charts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChartMuseum]:
    if not is_installed("chartmuseum"):
        require_program("chartmuseum")
    with ChartMuseum(tmp_path_factory.mktemp("charts"), user=ALICE) as it:
        yield it


def chart_intent(content: bytes, **more: Any) -> Intent:
    sizes = {Digest(f"sha256:{sha256(content).hexdigest()}"): len(content)}
    intent = Intent(
        id=uuid4(),
        operation=UploadChart("prj"),
        client=DOCKER,
        opened_at=datetime.now(UTC),
        chart_sizes=sizes,
    )
    return replace(intent, **more)


async def reconciled(line: Line, registry: Registry, charts: ChartMuseum, *intents: Intent) -> list[Delivery]:
    upstream = UpstreamClient(url=charts.url, username=ALICE.user, password=Secret(ALICE.password))
    parsers = ParserPool()
    asking = a_reconciler(
        line,
        registry,
        charts=lambda: upstream,
        routes=lambda: Routes(chart_depth=1),
        parse=parsers.run,
    )
    for intent in intents:
        await line.opened(intent, run="dead")
    assert await asking.reconcile() == 0
    await parsers.close()
    return await line.deliveries()


def store_chart(charts: ChartMuseum, content: bytes) -> None:
    url = f"{charts.url}/api/prj/charts"
    httpx.post(url, content=content, auth=ALICE.pair, trust_env=False).raise_for_status()


async def test_uploaded_chart_is_found_in_the_index_by_its_bytes_and_named_as_stored(
    line: Line, registry: Registry, charts: ChartMuseum
) -> None:
    opened_at = datetime.now(UTC)
    stored = build_chart("web", "1.10.0").content
    number = a_chart("apiVersion: v1\nname: 0x1F\nversion: 1.10")
    other = build_chart("web", "1.10.0", size=9000).content
    store_chart(charts, stored)
    store_chart(charts, number)
    intents = [chart_intent(content, opened_at=opened_at) for content in (stored, number, other)]
    deliveries = await reconciled(line, registry, charts, *intents)
    assert [found.event_type for found in deliveries] == [EventType.CHART_PUSH] * 2
    events = [json.loads(found.body or b"")["events"][0] for found in deliveries]
    assert sorted((found["chart_name"], found["version"]) for found in events) == [
        ("31", "1.1"),
        ("web", "1.10.0"),
    ]
    assert sorted(found["chart_size"] for found in events) == sorted((len(number), len(stored)))


async def test_chart_that_was_there_before_the_upload_raises_nothing(
    line: Line, registry: Registry, charts: ChartMuseum, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = build_chart("early", "1.0.0").content
    store_chart(charts, content)
    monkeypatch.setattr(stored_charts, "_TOLERANCE_S", -3600.0)
    assert await reconciled(line, registry, charts, chart_intent(content)) == []


async def test_deleted_chart_is_one_that_was_there_and_is_gone(
    line: Line, registry: Registry, charts: ChartMuseum
) -> None:
    deliveries = await reconciled(
        line,
        registry,
        charts,
        *(
            chart_intent(b"", operation=DeleteChart("prj", "gone", "1.0.0"), facts=Facts(existed=existed))
            for existed in (True, False, None)
        ),
    )
    assert [found.event_type for found in deliveries] == [EventType.CHART_DELETE]


async def test_chart_whose_last_bytes_were_never_forwarded_raises_nothing(
    line: Line, registry: Registry, charts: ChartMuseum
) -> None:
    assert await reconciled(line, registry, charts, chart_intent(b"", chart_sizes={})) == []


async def test_an_intent_that_fails_by_a_bug_is_closed_after_some_tries_and_the_others_are_settled(
    line: Line, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raises_for_one(exchange: Exchange, *args: Any, **more: Any) -> Any:
        if exchange.id == doomed.id:
            raise ZeroDivisionError
        return detect(exchange, *args, **more)

    monkeypatch.setattr("sidecar.recording.recorder.detect", raises_for_one)
    has(registry, IMAGE, "doomed")
    has(registry, OTHER, "well")
    doomed = await left_open(line, **put(IMAGE, "doomed"))
    await left_open(line, **put(OTHER, "well"))
    asking = a_reconciler(line, registry)
    with capture_logs() as lines:
        assert [await asking.reconcile() for _ in range(5)] == [1, 1, 1, 1, 0]
    assert await line.open_intents() == 0
    assert len(await line.deliveries()) == 1
    (given_up,) = [found for found in lines if found["event"] == "intent.given_up"]
    assert given_up["event_id"] == str(doomed.id)
