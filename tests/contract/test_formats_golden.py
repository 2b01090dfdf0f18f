"""Our payloads beside Harbor's own (tests/golden/README.md says where those come from)."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from sidecar.event import Chart, EventType
from sidecar.formats import FormatContext, cloudevents, default, documented
from sidecar.policy import EventNames
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
