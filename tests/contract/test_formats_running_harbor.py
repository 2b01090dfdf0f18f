"""Webhooks that a running Harbor 2.16 sent: from each we make the event that it tells of, and our Default
and CloudEvents formats must give the same JSON again."""

import json
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from sidecar.formats import cloudevents, default
from sidecar.model.event import EventType, parse_event_type
from sidecar.policies.target import EventNames
from tests.contract.test_formats_recorded import FIXTURES, told_by
from tests.unit.formats.samples import at

WEBHOOKS = FIXTURES / "harbor-2.16" / "webhooks"
#: What is not compared, and why.
EXCUSED = {
    "quota-exceed-api-copy": "a copy within Harbor, which no traffic shows; its repository's name is empty",
    "quota-warning": "not one of the nine events",
    "scan-stopped": "not one of the nine events; told as a failed scan",
}

pytestmark = pytest.mark.skipif(not WEBHOOKS.is_dir(), reason="recorded bodies are not beside the repository")


def recorded(target: str) -> list[Any]:
    """Bodies of one target, by the name of their file, with one resource or none."""
    found = []
    for path in sorted(WEBHOOKS.glob("*.json")):
        record = json.loads(path.read_text())
        if record["target"] == target and not path.name.startswith(tuple(EXCUSED)):
            found.append(pytest.param(record["body"], id=path.stem))
    return found


KINDS = {
    "harbor.artifact.pushed": EventType.IMAGE_PUSH,
    "harbor.artifact.pulled": EventType.IMAGE_PULL,
    "harbor.artifact.deleted": EventType.IMAGE_DELETE,
    "harbor.quota.exceeded": EventType.QUOTA_EXCEED,
    "harbor.scan.completed": EventType.SCAN_COMPLETED,
    "harbor.scan.failed": EventType.SCAN_FAILED,
}


@pytest.mark.parametrize("document", recorded("default"))
def test_default_gives_what_harbor_sent(document: dict[str, Any]) -> None:
    kind = parse_event_type(document["type"])
    assert kind
    event, context = told_by(
        kind, document["event_data"], operator=document["operator"], occurred_at=at(document["occur_at"])
    )
    assert json.loads(default.encode(event, context, EventNames.HARBOR2).body) == document


@pytest.mark.parametrize("document", recorded("ce"))
def test_cloudevents_gives_what_harbor_sent(document: dict[str, Any]) -> None:
    event, context = told_by(
        KINDS[document["type"]],
        document["data"],
        id=UUID(document["id"]),
        operator=document["operator"],
        request_id=document.get("requestid", ""),
        occurred_at=datetime.fromisoformat(document["time"]),
        source=document["source"],
    )
    assert json.loads(cloudevents.encode(event, context).body) == document


def test_there_is_something_to_compare() -> None:
    assert len(recorded("default")) > 100
    assert len(recorded("ce")) > 100
