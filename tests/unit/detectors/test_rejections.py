"""What the event of a refused write says; which writes are one push: tests/unit/recording/test_refusals.py."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from sidecar.model.event import Chart, Event, EventType
from sidecar.model.exchange import Exchange, Outcome
from sidecar.model.names import Digest, parse_reference, repository_of
from sidecar.model.operation import (
    Operation,
    PutManifest,
    Routes,
    UploadChart,
    UploadProvenance,
    UploadStep,
    WriteBlob,
)
from sidecar.quota.rules import Rejection
from tests.support.builders import DOCKER, START, Wire, a_digest

APP = repository_of("prj/app", default_project="library")
DIGEST = Digest(a_digest("image"))
REJECTION = Rejection(rule="harbor", details="adding 1 of storage")
CHART = Chart(name="web", version="1.2.3", type="application", size_bytes=5)


def exchange_of(operation: Operation, **more: Any) -> Exchange:
    known: dict[str, Any] = {"id": UUID(int=1), "client": DOCKER, "status": 507, "request_id": "r1"}
    return Exchange(
        operation=operation,
        began_at=START,
        answered_at=START + timedelta(milliseconds=5),
        outcome=Outcome.COMPLETED,
        **known | more,
    )


def raised(wire: Wire, exchange: Exchange) -> tuple[Event, ...]:
    return wire.detect(exchange, routes=Routes(chart_depth=1), rejection=REJECTION)


def the_event(wire: Wire, exchange: Exchange) -> Event:
    (event,) = raised(wire, exchange)
    return event


@pytest.mark.parametrize("step", UploadStep)
def test_a_blob_says_the_repository_and_no_more(wire: Wire, step: UploadStep) -> None:
    event = the_event(wire, exchange_of(WriteBlob(APP, step)))
    assert event == Event(
        id=event.id,
        type=EventType.QUOTA_EXCEED,
        occurred_at=START + timedelta(milliseconds=5),
        operator="alice",
        repository=APP,
        user_agent=DOCKER.user_agent,
        request_id="r1",
        details="adding 1 of storage",
    )


def test_a_manifest_says_its_tag_and_its_digest(wire: Wire) -> None:
    put = exchange_of(PutManifest(APP, parse_reference("v1")), content_digest=DIGEST)
    event = the_event(wire, put)
    assert (event.tag, event.tags, event.digest) == ("v1", ("v1",), DIGEST)


def test_a_manifest_by_digest_has_no_tag(wire: Wire) -> None:
    event = the_event(wire, exchange_of(PutManifest(APP, parse_reference(DIGEST))))
    assert (event.tag, event.tags, event.digest) == ("", (), DIGEST)


def test_a_chart_that_was_read_is_named(wire: Wire) -> None:
    event = the_event(wire, exchange_of(UploadChart("prj"), chart=CHART))
    assert event.repository.full_name == "prj/web"
    assert event.chart == replace(CHART, path="/prj/charts/web-1.2.3.tgz")
    assert (event.tag, event.tags) == ("1.2.3", ("1.2.3",))


def test_a_chart_without_a_name_has_no_place(wire: Wire) -> None:
    event = the_event(wire, exchange_of(UploadChart("prj"), chart=replace(CHART, name="")))
    assert event.chart
    assert (event.chart.path, event.repository.full_name) == ("", "prj")


@pytest.mark.parametrize("operation", [UploadChart("prj"), UploadProvenance("prj")])
def test_a_chart_that_was_not_read_is_of_its_project(wire: Wire, operation: Operation) -> None:
    event = the_event(wire, exchange_of(operation, status=413))
    assert (event.repository.project, event.repository.full_name, event.tag) == ("prj", "prj", "")


def test_each_chart_is_a_push_of_its_own(wire: Wire) -> None:
    for _ in range(2):
        assert raised(wire, exchange_of(UploadChart("prj"), status=413))
        assert raised(wire, exchange_of(UploadChart("prj"), chart=CHART))
        assert raised(wire, exchange_of(UploadChart("prj"), chart=replace(CHART, version="2.0.0")))


def test_a_chart_that_one_process_sends_again_is_the_same_push(wire: Wire) -> None:
    again = exchange_of(UploadChart("prj"), chart=CHART, client=replace(DOCKER, connection="c1"))
    assert [len(raised(wire, again)) for _ in range(3)] == [1, 0, 0]


def test_the_provenance_of_a_refused_chart_is_part_of_its_push(wire: Wire) -> None:
    assert raised(wire, exchange_of(UploadChart("prj"), chart=CHART))
    assert not raised(wire, exchange_of(UploadProvenance("prj")))


def test_an_event_has_the_same_id_however_often_its_exchange_is_looked_at(wire: Wire) -> None:
    exchange = exchange_of(WriteBlob(APP, UploadStep.START))
    wire.holds = None
    assert the_event(wire, exchange).id == the_event(wire, exchange).id
