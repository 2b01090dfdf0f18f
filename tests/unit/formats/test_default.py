import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from sidecar.formats import default
from sidecar.formats.context import FormatContext
from sidecar.model.event import Event, EventType
from sidecar.model.scan import ReportType, Severity
from sidecar.policies.target import EventNames
from tests.unit.formats.samples import (
    CONTEXT,
    DIGEST,
    IMAGE_TYPES,
    OVERFLOW,
    SCAN_TYPES,
    TYPES,
    an_event,
    contexts,
    events,
)

REPORT_KEYS: set[str] = {
    *("report_id", "scan_status", "severity", "duration", "summary", "start_time", "end_time"),
    *("scanner", "complete_percent"),
}
HARBOR_KEYS: dict[str, set[str]] = {
    "": {"type", "occur_at", "operator", "event_data"},
    "event_data": {"resources", "repository", "scan", "custom_attributes"},
    "resources": {"digest", "tag", "resource_url", "scan_overview"},
    "scan_overview": set(ReportType),
    **{str(report_type): REPORT_KEYS for report_type in ReportType},
    "summary": {"total", "fixable", "summary", *Severity},
    "scanner": {"name", "vendor", "version"},
    "scan": {"scan_type"},
    "repository": {"date_created", "name", "namespace", "repo_full_name", "repo_type"},
    "custom_attributes": {"Details"},
}


def body(event: Event, context: FormatContext = CONTEXT) -> dict[str, Any]:
    document = json.loads(default.encode(event, context).body)
    assert isinstance(document, dict)
    return document


def resource(event: Event) -> dict[str, Any]:
    (only,) = body(event)["event_data"]["resources"]
    assert isinstance(only, dict)
    return only


def report_summary(event: Event) -> dict[str, Any]:
    (only,) = resource(event)["scan_overview"].values()
    assert isinstance(only, dict)
    return only


def keys_beyond_harbor(document: Any, place: str = "") -> set[str]:
    if isinstance(document, list):
        return set().union(*(keys_beyond_harbor(entry, place) for entry in document))
    if not isinstance(document, dict):
        return set()
    beyond = set(document) - HARBOR_KEYS[place]
    return beyond.union(*(keys_beyond_harbor(document[key], key) for key in document))


@given(events(), contexts())
def test_no_event_has_a_key_that_harbor_lacks(event: Event, context: FormatContext) -> None:
    assert not keys_beyond_harbor(body(event, context))


@given(events(), contexts())
def test_common_minimum_of_receivers_is_always_there(event: Event, context: FormatContext) -> None:
    document = body(event, context)
    assert isinstance(document["occur_at"], int)
    assert isinstance(document["operator"], str)
    repository = document["event_data"]["repository"]
    assert {"name", "namespace", "repo_full_name", "repo_type"} <= set(repository)
    if event.type in IMAGE_TYPES:
        (only,) = document["event_data"]["resources"]
        assert set(only) == {"digest", "tag", "resource_url"}


@pytest.mark.parametrize("kind", TYPES)
def test_either_spelling_of_the_type(kind: EventType) -> None:
    old = json.loads(default.encode(an_event(kind), CONTEXT, EventNames.HARBOR1).body)
    assert (old["type"], body(an_event(kind))["type"]) == (kind.value, kind.harbor2)


def test_by_digest_the_tag_is_the_digest() -> None:
    assert resource(an_event(tag="", tags=("v1",))) == {
        "digest": DIGEST,
        "tag": DIGEST,
        "resource_url": f"registry.example.com/prj/app@{DIGEST}",
    }


def test_delete_by_digest_names_the_first_tag_only() -> None:
    event = an_event(EventType.IMAGE_DELETE, tag="", tags=("v1", "latest"))
    assert resource(event)["tag"] == "v1"


def test_unknown_creation_time_is_left_out() -> None:
    unknown = replace(CONTEXT, repository_created_at=None)
    assert "date_created" not in body(an_event(), unknown)["event_data"]["repository"]


@pytest.mark.parametrize("kind", [kind for kind in TYPES if kind not in IMAGE_TYPES])
def test_creation_time_is_in_image_events_only(kind: EventType) -> None:
    assert "date_created" not in body(an_event(kind))["event_data"]["repository"]


def test_repository_type_follows_the_project() -> None:
    public = replace(CONTEXT, public=True)
    assert body(an_event(), public)["event_data"]["repository"]["repo_type"] == "public"
    assert body(an_event())["event_data"]["repository"]["repo_type"] == "private"


def test_quota_has_details_and_no_url() -> None:
    data = body(an_event(EventType.QUOTA_EXCEED))["event_data"]
    assert data["custom_attributes"] == {"Details": OVERFLOW}
    assert data["resources"] == [{"digest": DIGEST, "tag": "v1"}]


def test_quota_of_a_rejected_layer_has_no_resources() -> None:
    assert "resources" not in body(an_event(EventType.QUOTA_EXCEED, tag="", digest=""))["event_data"]


def test_chart_has_no_digest_even_as_an_artifact() -> None:
    chart = an_event(EventType.CHART_PUSH).chart
    assert chart
    event = an_event(EventType.CHART_PUSH, digest=DIGEST, chart=replace(chart, path=""))
    assert resource(event) == {"tag": "1.2.3", "resource_url": "registry.example.com/prj/web:1.2.3"}


def test_keys_stand_in_harbors_order() -> None:
    encoded = default.encode(an_event(EventType.QUOTA_EXCEED), CONTEXT).body.decode()
    order = ['"type"', '"occur_at"', '"operator"', '"event_data"', '"resources"', '"digest"', '"tag"']
    order += [
        '"repository"',
        '"name"',
        '"namespace"',
        '"repo_full_name"',
        '"repo_type"',
        '"custom_attributes"',
    ]
    places = [encoded.index(key) for key in order]
    assert places == sorted(places)


@pytest.mark.parametrize("kind", SCAN_TYPES)
def test_scan_by_digest_has_no_tag(kind: EventType) -> None:
    event = an_event(kind, tag="", tags=("v1",))
    assert list(resource(event)) == ["digest", "resource_url", "scan_overview"]
    assert resource(event)["resource_url"] == f"registry.example.com/prj/app@{DIGEST}"


def test_numbers_of_a_scan_stand_in_the_order_of_go() -> None:
    summary = report_summary(an_event(EventType.SCAN_COMPLETED))["summary"]
    assert summary == {"total": 3, "fixable": 2, "summary": {"Critical": 1, "High": 1, "Medium": 1}}
    assert list(summary["summary"]) == sorted(summary["summary"])


def test_scan_without_findings_has_an_empty_summary() -> None:
    scan = an_event(EventType.SCAN_COMPLETED).scan
    assert scan
    clean = replace(scan, counts=(), fixable=0, severity=Severity.NONE)
    summary = report_summary(an_event(EventType.SCAN_COMPLETED, scan=clean))
    assert summary["summary"] == {"total": 0, "fixable": 0, "summary": {}}
    assert summary["severity"] == "None"


def test_failed_scan_has_neither_result_nor_scanner_nor_error() -> None:
    failed = an_event(EventType.SCAN_FAILED)
    assert failed.scan
    assert failed.scan.scanner
    assert report_summary(failed) == {
        "report_id": failed.scan.report_id,
        "scan_status": "Error",
        "severity": "",
        "duration": 8,
        "summary": None,
        "start_time": "2026-01-02T03:03:57.678Z",
        "end_time": "2026-01-02T03:04:05.678Z",
        "complete_percent": 0,
    }
    assert failed.scan.error not in json.dumps(body(failed))


@pytest.mark.parametrize("kind", SCAN_TYPES)
def test_a_scan_that_is_not_known_leaves_its_overview_out(kind: EventType) -> None:
    assert set(resource(an_event(kind, scan=None))) == {"digest", "tag", "resource_url"}
