import json
from dataclasses import replace
from typing import Any

import pytest

from sidecar.formats import documented
from sidecar.formats.context import FormatContext
from sidecar.model.event import Event, EventType
from sidecar.model.scan import ScanStatus, Severity
from tests.unit.formats.samples import (
    CHART_TYPES,
    CONTEXT,
    DIGEST,
    IMAGE_TYPES,
    OVERFLOW,
    SCAN_TYPES,
    an_event,
)


def contents(event: Event, context: FormatContext = CONTEXT) -> dict[str, Any]:
    payload = documented.encode(event, context)
    assert payload.content_type == "application/json"
    document = json.loads(payload.body)
    assert document["event_type"] == event.type
    (only,) = document["events"]
    assert isinstance(only, dict)
    return only


def test_push_by_tag() -> None:
    assert contents(an_event()) == {
        "project": "prj",
        "repo_name": "app",
        "tag": "v1",
        "full_name": "prj/app",
        "trigger_time": 1767323045678,
        "image_id": DIGEST.removeprefix("sha256:"),
        "project_type": "Private",
        "tags": ["v1"],
        "digest": DIGEST,
        "resource_url": "registry.example.com/prj/app:v1",
        "username": "alice",
    }


def test_by_digest_the_tag_is_empty_and_the_known_tags_are_listed() -> None:
    by_digest = contents(an_event(EventType.IMAGE_PULL, tag="", tags=("v1", "latest")))
    assert by_digest["tag"] == ""
    assert by_digest["tags"] == ["v1", "latest"]
    assert by_digest["resource_url"] == f"registry.example.com/prj/app@{DIGEST}"


def test_platforms_are_there_for_a_multi_platform_image_only() -> None:
    several = contents(an_event(platforms=("linux/amd64", "linux/arm64/v8")))
    assert several["platforms"] == ["linux/amd64", "linux/arm64/v8"]
    assert "platforms" not in contents(an_event())


@pytest.mark.parametrize("size_bytes", [0, 52_428_800, None])
def test_delete_has_the_image_size_or_null(size_bytes: int | None) -> None:
    assert contents(an_event(EventType.IMAGE_DELETE, size_bytes=size_bytes))["image_size"] == size_bytes
    assert "image_size" not in contents(an_event(size_bytes=size_bytes))


def test_delete_of_several_tags_lists_all_and_names_the_first() -> None:
    deleted = contents(an_event(EventType.IMAGE_DELETE, tag="", tags=("v1", "latest")))
    assert (deleted["tag"], deleted["tags"]) == ("v1", ["v1", "latest"])


@pytest.mark.parametrize("kind", CHART_TYPES)
def test_chart_events(kind: EventType) -> None:
    assert contents(an_event(kind)) == {
        "project": "prj",
        "repo_name": "web",
        "full_name": "prj/web",
        "chart_name": "web",
        "chart_type": "application",
        "version": "1.2.3",
        "chart_size": 4711,
        "tag": "1.2.3",
        "trigger_time": 1767323045678,
        "project_type": "Private",
        "username": "alice",
        "resource_url": "https://registry.example.com/prj/charts/web-1.2.3.tgz",
    }


@pytest.mark.parametrize("kind", IMAGE_TYPES)
def test_chart_kept_as_an_artifact_is_an_image_in_image_events(kind: EventType) -> None:
    chart = an_event(EventType.CHART_PUSH).chart
    assert contents(an_event(kind, chart=chart))["image_id"] == DIGEST.removeprefix("sha256:")


def test_quota_has_the_registrys_own_words() -> None:
    exceeded = contents(an_event(EventType.QUOTA_EXCEED))
    assert exceeded["details"] == OVERFLOW
    assert exceeded["digest"] == DIGEST


def test_refused_chart_has_its_contents_too() -> None:
    chart = an_event(EventType.CHART_PUSH).chart
    refused = an_event(EventType.QUOTA_EXCEED, repository="prj/web", tag="1.2.3", digest="", chart=chart)
    assert contents(refused) == {
        "project": "prj",
        "repo_name": "web",
        "tag": "1.2.3",
        "full_name": "prj/web",
        "trigger_time": 1767323045678,
        "image_id": "",
        "project_type": "Private",
        "tags": ["1.2.3"],
        "digest": "",
        "resource_url": "https://registry.example.com/prj/charts/web-1.2.3.tgz",
        "username": "alice",
        "details": OVERFLOW,
        "chart_name": "web",
        "chart_type": "application",
        "version": "1.2.3",
        "chart_size": 4711,
    }


def test_anonymous_and_public() -> None:
    context = FormatContext(hostname="h", external_url="https://h", public=True)
    anonymous = contents(an_event(operator=""), context)
    assert (anonymous["username"], anonymous["project_type"]) == ("", "Public")


def scan_contents(kind: EventType, **more: Any) -> dict[str, Any]:
    """What a scan event has beyond a push."""
    scan = an_event(kind).scan
    assert scan
    found = contents(an_event(kind, scan=replace(scan, **more)))
    return {key: found[key] for key in found if key not in contents(an_event())}


def test_completed_scan() -> None:
    found = scan_contents(EventType.SCAN_COMPLETED)
    vulnerabilities = found.pop("vulnerabilities")
    assert found == {"critical": 1, "major": 1, "minor": 1, "scan_status": "Success"}
    assert vulnerabilities[0] == {
        "cve_id": "CVE-2023-23914",
        "description": "HSTS is ignored when several URLs are requested serially.",
        "link": "https://avd.aquasec.com/nvd/cve-2023-23914",
        "criticality": "Critical",
        "fix_url": "https://curl.se/docs/CVE-2023-23914.html",
    }
    assert [entry["criticality"] for entry in vulnerabilities] == ["Critical", "High", "Medium"]


def test_every_vulnerability_of_the_report_is_counted() -> None:
    counts = tuple((severity, 10 ** Severity(severity).rank) for severity in reversed(Severity))
    found = scan_contents(EventType.SCAN_COMPLETED, counts=counts, vulnerabilities=())
    assert (found["critical"], found["major"], found["minor"]) == (1_000_000, 100_000, 11_111)
    assert found["vulnerabilities"] == []


@pytest.mark.parametrize(
    ("status", "error", "says"),
    [
        (ScanStatus.ERROR, "connection refused", "connection refused"),
        (ScanStatus.ERROR, "", "the scan failed"),
        (ScanStatus.STOPPED, "", "the scan was stopped"),
    ],
)
def test_failed_scan_always_says_why(status: ScanStatus, error: str, says: str) -> None:
    assert scan_contents(EventType.SCAN_FAILED, status=status, error=error) == {"error": says}


@pytest.mark.parametrize("kind", SCAN_TYPES)
def test_scan_events_have_the_keys_of_an_image(kind: EventType) -> None:
    assert set(contents(an_event())) <= set(contents(an_event(kind)))
