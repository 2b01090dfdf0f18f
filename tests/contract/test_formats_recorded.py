"""Bodies that real Harbors sent, collected outside this repository: from each we make the event that it
tells of, and our Default format must give the same JSON again."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from sidecar.event import Chart, Event, EventType, parse_event_type
from sidecar.formats import FormatContext, cloudevents, default
from sidecar.policy import EventNames
from tests.unit.formats.samples import CHART_TYPES, an_event, at

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
)

pytestmark = pytest.mark.skipif(not FIXTURES.is_dir(), reason="recorded bodies are not beside the repository")


def recorded(name: str) -> dict[str, Any]:
    document = json.loads((FIXTURES / name).read_text())
    assert isinstance(document, dict)
    return document


def told_by(kind: EventType, data: dict[str, Any], **more: Any) -> tuple[Event, FormatContext]:
    """The event and context that Harbor's event_data tells of."""
    repository = data["repository"]
    (resource,) = data["resources"]
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
    context = FormatContext(
        hostname=host,
        external_url=f"http://{host}",
        public=repository["repo_type"] == "public",
        repository_created_at=repository.get("date_created"),
        source=more.pop("source", ""),
    )
    return an_event(kind, **about, **more), context


@pytest.mark.parametrize("name", RECORDED)
def test_default_gives_what_harbor_sent(name: str) -> None:
    document = recorded(name)
    kind = parse_event_type(document["type"])
    assert kind
    event, context = told_by(
        kind, document["event_data"], operator=document["operator"], occurred_at=at(document["occur_at"])
    )
    names = EventNames.HARBOR1 if document["type"] == kind else EventNames.HARBOR2
    assert json.loads(default.encode(event, context, names).body) == document


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
