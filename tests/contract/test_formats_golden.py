"""Our payloads beside Harbor's own (tests/golden/README.md says where those come from)."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from sidecar.formats import FormatContext, cloudevents, default, documented, slack, teams
from sidecar.model.event import Chart, Event, EventType
from sidecar.model.scan import ReportType, Scan, Scanner, ScanStatus, Severity
from sidecar.policies.target import EventNames
from tests.contract.example_events import CONTEXT, EXAMPLES
from tests.unit.formats.samples import DIGEST, an_event, at

GOLDEN = Path(__file__).parents[1] / "golden"
HARBOR_DEV = FormatContext(
    hostname="harbor.dev", external_url="https://harbor.dev", public=True, repository_created_at=1677053165
)
BUSYBOX: dict[str, Any] = {"repository": "library/busybox", "operator": "admin", "digest": DIGEST}
CHART = Chart(
    name="harbor",
    version="0.4.0",
    type="application",
    size_bytes=1,
    path="/chartrepo/library/charts/harbor-0.4.0.tgz",
)
ALPINE = "sha256:954b378c375d852eb3c63ab88978f640b4348b01c1b3456a024a81536dafbbf4"


def golden(name: str) -> bytes:
    return (GOLDEN / name).read_bytes().removesuffix(b"\n")


@pytest.mark.parametrize(
    ("name", "kind", "seconds", "tag"),
    [
        ("PUSH_ARTIFACT", EventType.IMAGE_PUSH, 1678082303, "1.36"),
        ("PULL_ARTIFACT", EventType.IMAGE_PULL, 1678082303, ""),
        ("DELETE_ARTIFACT", EventType.IMAGE_DELETE, 1680501893, "1.36"),
    ],
)
def test_default_image_events(name: str, kind: EventType, seconds: int, tag: str) -> None:
    event = an_event(kind, tag=tag, occurred_at=at(seconds), **BUSYBOX)
    assert default.encode(event, HARBOR_DEV).body == golden(f"default/{name}.json")


def test_default_push_without_a_tag() -> None:
    context = FormatContext(hostname="localhost", external_url="", repository_created_at=1680501893)
    event = an_event(
        repository="harbor/alpine",
        operator="harbor-jobservice",
        digest=ALPINE,
        tag="",
        occurred_at=at(1680501893),
    )
    assert default.encode(event, context).body == golden("default/PUSH_ARTIFACT.untagged.json")


def test_default_quota_event() -> None:
    document = json.loads(golden("default/QUOTA_EXCEED.json"))
    event = an_event(
        EventType.QUOTA_EXCEED,
        repository="harbor/alpine",
        operator="",
        tag="",
        digest=document["event_data"]["resources"][0]["digest"],
        details=document["event_data"]["custom_attributes"]["Details"],
        occurred_at=at(1680505484),
    )
    context = FormatContext(hostname="localhost", external_url="")
    assert default.encode(event, context).body == golden("default/QUOTA_EXCEED.json")


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        (EventType.CHART_PUSH, "uploadChart", "UPLOAD_CHART"),
        (EventType.CHART_PULL, "downloadChart", "DOWNLOAD_CHART"),
        (EventType.CHART_DELETE, "deleteChart", "DELETE_CHART"),
    ],
)
def test_default_chart_events(kind: EventType, old: str, new: str) -> None:
    event = an_event(
        kind,
        repository="library/harbor",
        operator="admin",
        tag="0.4.0",
        chart=CHART,
        occurred_at=at(1680501893),
    )
    assert default.encode(event, HARBOR_DEV).body == golden(f"default/{new}.json")
    assert default.encode(event, HARBOR_DEV, EventNames.HARBOR1).body == golden(f"default-1.x/{old}.json")


def test_default_with_the_event_names_of_1_x() -> None:
    event = an_event(
        repository="test123/alpine",
        operator="hiddeco",
        tag="3.10",
        digest="sha256:e4355b66995c96b4b468159fc5c7e3540fcef961189ca13fee877798649f531a",
        occurred_at=at(1585846234),
    )
    context = FormatContext(hostname="demo.goharbor.io", external_url="", repository_created_at=1585846139)
    assert default.encode(event, context, EventNames.HARBOR1).body == golden("default-1.x/pushImage.json")


def test_cloudevents_pull() -> None:
    event = an_event(
        EventType.IMAGE_PULL,
        id=UUID("4b2f89a6-548d-4c12-9993-a1f5790b97d2"),
        tag="",
        occurred_at=at(1678082923),
        request_id="2eedfab8-61d3-4f3c-8ec3-8f82d1ec4c84",
        **BUSYBOX,
    )
    context = FormatContext(
        hostname="harbor.dev",
        external_url="",
        public=True,
        repository_created_at=1677053165,
        source="/projects/1/webhook/policies/3",
    )
    assert cloudevents.encode(event, context).body == golden("cloudevents/harbor.artifact.pulled.json")


def test_cloudevents_push() -> None:
    event = an_event(
        id=UUID("66e18103-09c1-41f6-982f-37df223f3eeb"),
        repository="harbor/alpine",
        operator="harbor-jobservice",
        digest=ALPINE,
        tag="",
        occurred_at=at(1680501886),
        request_id="51c0b694-0168-4f3c-b0db-282565455d7b",
    )
    context = FormatContext(
        hostname="localhost",
        external_url="",
        repository_created_at=1680501893,
        source="/projects/2/webhook/policies/15",
    )
    ours = json.loads(cloudevents.encode(event, context).body)
    assert ours == json.loads(golden("cloudevents/harbor.artifact.pushed.json"))


def test_documented_push_begins_as_the_pages_example() -> None:
    page = json.loads(golden("documented/pushImage.json"))
    event = an_event(
        repository="prj/repo1",
        tag="latest",
        digest=f"sha256:{page['events'][0]['image_id']}",
        occurred_at=at(158322233.213),
    )
    ours = json.loads(documented.encode(event, FormatContext(hostname="h", external_url="")).body)
    (contents,) = ours["events"]
    assert list(ours) == list(page)
    assert list(contents.items())[:7] == list(page["events"][0].items())


TRIVY = Scanner(name="Trivy", vendor="Aqua Security", version="v0.37.2")
OLDER = b',"scan":{"scan_type":"vulnerability"}'  #: what Harbor before 2.11 does not send
DEBIAN = Scan(
    report_id="64a2d6e6-26ea-4d4c-8a0e-9d2f3f1a8a4b",
    report_type=ReportType.GENERIC,
    status=ScanStatus.SUCCESS,
    started_at=at(1680502367),
    ended_at=at(1680502375),
    severity=Severity.HIGH,
    counts=((Severity.HIGH, 3), (Severity.MEDIUM, 20), (Severity.LOW, 74), (Severity.UNKNOWN, 1)),
    fixable=2,
    scanner=TRIVY,
)
REDIS = Scan(
    report_id="a2573415-c727-4723-bc92-376c1d978637",
    report_type=ReportType.GENERIC,
    status=ScanStatus.ERROR,
    started_at=at(1680505875),
    ended_at=at(1680505885),
    scanner=TRIVY,
    error="told in other formats only",
)
LOCALHOST = FormatContext(hostname="localhost", external_url="", repository_created_at=1680501893)


def completed(**more: Any) -> Event:
    """The scan of Harbor's main."""
    about = {"repository": "library/debian", "operator": "admin", "digest": ALPINE, "tag": "latest"}
    return an_event(EventType.SCAN_COMPLETED, scan=DEBIAN, occurred_at=at(1680502375), **about, **more)


def failed(**more: Any) -> Event:
    """The failed scan that was recorded."""
    digest = "sha256:dabea2944dcc2b86482b4f0b0fb62da80e0673e900c46c0e03b45919881a5d84"
    about = {"repository": "harbor/alpine", "operator": "auto", "digest": digest, "tag": ""}
    return an_event(EventType.SCAN_FAILED, scan=REDIS, occurred_at=at(1680505885), **about, **more)


def test_default_completed_scan() -> None:
    context = replace(HARBOR_DEV, public=False)
    assert default.encode(completed(), context).body == golden("default/SCANNING_COMPLETED.json")
    older = default.encode(completed(), context, EventNames.HARBOR1).body
    assert older == golden("default-1.x/scanningCompleted.json")


def test_default_completed_scan_without_a_tag() -> None:
    clean = replace(
        DEBIAN,
        report_id="af0546c1-67dc-4e9d-927e-372900ead0df",
        severity=Severity.NONE,
        counts=(),
        fixable=0,
    )
    event = replace(failed(), type=EventType.SCAN_COMPLETED, digest=ALPINE, scan=clean)
    body = default.encode(replace(event, occurred_at=at(1680502375)), LOCALHOST).body
    assert body.replace(OLDER, b"") == golden("default/SCANNING_COMPLETED.untagged.json")


def test_default_failed_scan() -> None:
    body = default.encode(failed(), LOCALHOST).body
    assert OLDER in body
    assert body.replace(OLDER, b"") == golden("default/SCANNING_FAILED.json")
    older = default.encode(failed(), LOCALHOST, EventNames.HARBOR1).body
    assert older == golden("default-1.x/scanningFailed.json")


def test_default_stopped_scan() -> None:
    stopped = replace(
        REDIS,
        report_id="bf92700b-fa5e-4fe4-891c-42b730c81151",
        status=ScanStatus.STOPPED,
        started_at=at(1680502329),
        ended_at=at(1680502334),
    )
    digest = "sha256:e802987f152d7826cf929ad4999fb3bb956ce7a30966aeb46c749f9120eaf22c"
    event = replace(failed(), scan=stopped, digest=digest, occurred_at=at(1680502334))
    theirs = golden("default/SCANNING_FAILED.stopped.json")
    ours = default.encode(event, LOCALHOST).body.replace(OLDER, b"")
    assert ours == theirs.replace(b"SCANNING_STOPPED", b"SCANNING_FAILED")


@pytest.mark.parametrize(
    ("event", "context", "name"),
    [
        (completed(), replace(HARBOR_DEV, public=False), "harbor.scan.completed"),
        (failed(), LOCALHOST, "harbor.scan.failed"),
    ],
    ids=["completed", "failed"],
)
def test_cloudevents_scans(event: Event, context: FormatContext, name: str) -> None:
    known = replace(
        event,
        id=UUID("4b2f89a6-548d-4c12-9993-a1f5790b97d2"),
        request_id="2eedfab8-61d3-4f3c-8ec3-8f82d1ec4c84",
    )
    context = replace(context, source="/projects/1/webhook/policies/3")
    assert cloudevents.encode(known, context).body == golden(f"cloudevents/{name}.json")


def keys_of(node: Any, place: str = "") -> set[str]:
    """Every key with its place; places in a list are one."""
    if isinstance(node, list):
        return set().union(*(keys_of(entry, f"{place}[]") for entry in node))
    if not isinstance(node, dict):
        return {place}
    return set().union(*(keys_of(value, f"{place}.{key}") for key, value in node.items()))


@pytest.mark.parametrize("kind", list(EventType))
def test_slack_knows_every_key_of_ours(kind: EventType) -> None:
    ours = json.loads(slack.encode(EXAMPLES[kind], CONTEXT).body)
    theirs = json.loads(golden("slack/message.json"))
    # A key of a text object as well; without it Slack makes links and mentions of names in the text.
    assert keys_of(ours) <= keys_of(theirs) | {".blocks[].text.verbatim"}
    assert (ours["blocks"][0]["type"], ours["blocks"][0]["text"]["type"]) == ("section", "mrkdwn")
    assert set(ours) == set(theirs)


@pytest.mark.parametrize("kind", list(EventType))
def test_teams_gets_the_message_that_microsoft_prints(kind: EventType) -> None:
    ours = json.loads(teams.encode(EXAMPLES[kind], CONTEXT).body)
    theirs = json.loads(golden("teams/message.json"))
    (card,), (their_card,) = ours["attachments"], theirs["attachments"]
    assert ours | {"attachments": []} == theirs | {"attachments": []}
    assert card | {"content": {}} == their_card | {"content": {}}
    assert set(card["content"]) == set(their_card["content"])
    for key in ("$schema", "type"):
        assert card["content"][key] == their_card["content"][key]
    title, facts = card["content"]["body"]
    assert title["type"] == their_card["content"]["body"][0]["type"]
    their_facts = json.loads(golden("teams/factset.json"))["body"]
    assert keys_of([facts]) == keys_of(their_facts)
    assert facts["type"] == their_facts[0]["type"]
