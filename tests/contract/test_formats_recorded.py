"""Bodies that real Harbors sent, collected outside this repository: from each we make the event that it
tells of, and our Default format must give the same JSON again."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from sidecar.formats import FormatContext, cloudevents, default
from sidecar.model.event import Chart, Event, EventType, parse_event_type
from sidecar.model.scan import ReportType, Scan, Scanner, ScanStatus, Severity
from sidecar.policies.target import EventNames
from tests.unit.formats.samples import CHART_TYPES, CONTEXT, SCAN_TYPES, an_event, at

FIXTURES = Path(__file__).parents[3] / "shared" / "fixtures"
RECORDED = (
    "docs-2.x/PULL_ARTIFACT.json",
    "docs-2.x/DELETE_ARTIFACT.json",
    "docs-2.x/PUSH_ARTIFACT_untagged.json",
    "docs-2.x/QUOTA_EXCEED.json",
    "flux-recv/harborV2_payload.json",
    "flux-recv/harbor_payload.json",
    "issues/harbor-19982_v2.7.1_PUSH_proxycache.json",
    "other/busybox_pushImage_1.x.json",
    "other/centos_pushImage_1.9.json",
    "other/sail_UPLOAD_CHART.json",
    "other/veba_PULL_ARTIFACT.json",
    "probe/push_ok.json",
    "probe/pushImage_ok.json",
    "zulip/push_image.json",
    "zulip/delete_image.json",
    "docs-2.x/SCANNING_COMPLETED.json",
    "docs-2.x/SCANNING_FAILED.json",
    "docs-2.x/SCANNING_STOPPED.json",
    "issues/harbor-20331_v2.11dev_SCANNING_FAILED.json",
    "probe/scan_completed_2.16_shape.json",
    "zulip/scanning_completed.json",
)
#: What is not compared as a whole, and why.
OTHERS = {
    "docs-2.x/CE_PUSH.json": "CloudEvents: below",
    "docs-2.x/QUOTA_WARNING.json": "not one of the nine events",
    "docs-2.x/REPLICATION.json": "not one of the nine events",
    "docs-2.x/TAG_RETENTION.json": "not one of the nine events",
    "issues/harbor-18428_v2.6-2.8_TAG_RETENTION.json": "not one of the nine events",
    "issues/harbor-22212_2025_CE_scan_completed_masked.json": "CloudEvents, its report masked: keys below",
    "issues/lagoon-2580_SCANNING_COMPLETED_2.1.json": "cut short: keys below",
    "probe/push_float_occur.json": "no Harbor sent it: a mistake on purpose",
    "probe/push_no_tag.json": "no Harbor sent it: a mistake on purpose",
    "probe/push_null_date_created.json": "no Harbor sent it: a mistake on purpose",
    "probe/push_plus_sbom.json": "no Harbor sent it: a mistake on purpose",
    "probe/push_plus_scan_key.json": "no Harbor sent it: a mistake on purpose",
    "probe/push_plus_toplevel_extra.json": "no Harbor sent it: a mistake on purpose",
    "probe/push_string_occur.json": "no Harbor sent it: a mistake on purpose",
    "probe/push_upper_repo.json": "no Harbor sent it: a mistake on purpose",
    "probe/push_url_scheme.json": "no Harbor sent it: a mistake on purpose",
    "seed-docs-1.10/pushImage.json": "the page's form: tests/golden/documented",
    "zulip/scanning_completed_no_tag.json": "its tag was taken out, but not out of its URL: keys below",
}
#: What is no webhook, and what test_formats_running_harbor compares.
ELSEWHERE = ("harbor-2.16/", "cdevents/")
#: Harbor before 2.11 did not send it.
SCAN = {"scan": {"scan_type": "vulnerability"}}
#: Harbor 2.4 and later have this type; here, as before, such a scan is a failed one.
STOPPED = "SCANNING_STOPPED"

pytestmark = pytest.mark.skipif(not FIXTURES.is_dir(), reason="recorded bodies are not beside the repository")


def recorded(name: str) -> dict[str, Any]:
    document = json.loads((FIXTURES / name).read_text())
    assert isinstance(document, dict)
    return document


def told_by(kind: EventType, data: dict[str, Any], **more: Any) -> tuple[Event, FormatContext]:
    """The event and context that Harbor's event_data tells of."""
    repository = data["repository"]
    resources: list[dict[str, Any]] = data.get("resources") or [{}]
    (resource,) = resources
    digest, tag = resource.get("digest", ""), resource.get("tag", "")
    host, _, path = resource.get("resource_url", "").removeprefix("http://").partition("/")
    about = {
        "repository": repository["repo_full_name"],
        "digest": digest,
        "tag": "" if tag == digest else tag,
    }
    about["details"] = data.get("custom_attributes", {}).get("Details", "")
    if kind in CHART_TYPES:
        more["chart"] = Chart(
            name=repository["name"], version=tag, type="application", size_bytes=1, path=f"/{path}"
        )
    if kind in SCAN_TYPES:
        more["scan"] = scan_told_by(resource["scan_overview"])
    context = FormatContext(
        hostname=host,
        external_url=f"http://{host}",
        public=repository["repo_type"] == "public",
        repository_created_at=repository.get("date_created"),
        source=more.pop("source", ""),
    )
    return an_event(kind, **about, **more), context


def scan_told_by(overview: dict[str, Any]) -> Scan:
    ((report_type, report),) = overview.items()
    summary = report["summary"] or {"summary": {}, "fixable": 0}
    return Scan(
        report_id=report["report_id"],
        report_type=ReportType(report_type),
        status=ScanStatus(report["scan_status"]),
        started_at=datetime.fromisoformat(report["start_time"]),
        ended_at=datetime.fromisoformat(report["end_time"]),
        severity=Severity(report["severity"]) if report["severity"] else None,
        counts=tuple((Severity(name), number) for name, number in summary["summary"].items()),
        fixable=summary["fixable"],
        scanner=Scanner(**report["scanner"]) if "scanner" in report else None,
    )


def test_every_recorded_body_is_looked_at() -> None:
    there = {path.relative_to(FIXTURES).as_posix() for path in FIXTURES.rglob("*.json")}
    assert {name for name in there if not name.startswith(ELSEWHERE)} == {*RECORDED, *OTHERS}


@pytest.mark.parametrize("name", RECORDED)
def test_default_gives_what_harbor_sent(name: str) -> None:
    document = recorded(name)
    kind = EventType.SCAN_FAILED if document["type"] == STOPPED else parse_event_type(document["type"])
    assert kind
    event, context = told_by(
        kind, document["event_data"], operator=document["operator"], occurred_at=at(document["occur_at"])
    )
    names = EventNames.HARBOR1 if document["type"] == kind else EventNames.HARBOR2
    ours = json.loads(default.encode(event, context, names).body)
    if document["type"] == STOPPED:
        document["type"] = kind.harbor2
    if kind in SCAN_TYPES:
        document["event_data"] |= SCAN
    assert ours == document


@pytest.mark.parametrize(
    "name", ["issues/lagoon-2580_SCANNING_COMPLETED_2.1.json", "zulip/scanning_completed_no_tag.json"]
)
def test_what_is_no_whole_body_has_keys_of_ours(name: str) -> None:
    document = recorded(name)
    ours = json.loads(default.encode(an_event(EventType.SCAN_COMPLETED), CONTEXT).body)
    assert list(document) == list(ours)
    (theirs,), (resource,) = document["event_data"]["resources"], ours["event_data"]["resources"]
    assert set(theirs) <= set(resource)
    (report,), (our_report,) = theirs["scan_overview"].values(), resource["scan_overview"].values()
    assert set(report) <= set(our_report)
    assert [key for key in our_report if key in report] == list(report)
    assert set(report["summary"]) == set(our_report["summary"])


def test_masked_cloudevent_has_keys_of_ours() -> None:
    document = recorded("issues/harbor-22212_2025_CE_scan_completed_masked.json")
    ours = json.loads(cloudevents.encode(an_event(EventType.SCAN_COMPLETED), CONTEXT).body)
    assert set(document) == set(ours)
    assert set(document["data"]) == set(ours["data"])
    (theirs,), (resource,) = document["data"]["resources"], ours["data"]["resources"]
    assert set(theirs) == set(resource) - {"scan_overview"}
    assert set(document["data"]["repository"]) == set(ours["data"]["repository"])
    assert document["type"] == ours["type"]


def test_cloudevents_gives_what_harbor_sent() -> None:
    document = recorded("docs-2.x/CE_PUSH.json")
    event, context = told_by(
        EventType.IMAGE_PUSH,
        document["data"],
        id=UUID(document["id"]),
        operator=document["operator"],
        request_id=document["requestid"],
        occurred_at=at(1680501886),
        source=document["source"],
    )
    assert json.loads(cloudevents.encode(event, context).body) == document
