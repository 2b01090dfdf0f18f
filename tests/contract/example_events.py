"""The events that the published examples (schemas/examples) show: the usual samples, with what tells them apart."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from sidecar.formats import FormatContext
from sidecar.formats.samples import sample_of, sample_scan
from sidecar.model.event import Event, EventType

CONTEXT = FormatContext(
    hostname="registry.example.com",
    external_url="https://registry.example.com",
    repository_created_at=1767225600,
    source="/projects/963636254/webhook/policies/1276968090",
)
_ID = UUID("0f0e4d6a-3a55-5d2c-9d0b-6a2f1c6c1a00")  # its last byte is the event's number
_REQUEST_ID = "2eedfab8-61d3-4f3c-8ec3-8f82d1ec4c84"
_SCANNED_AT = sample_of(EventType.IMAGE_PUSH).occurred_at.replace(microsecond=0)


def _scanned(kind: EventType, **more: Any) -> dict[str, Any]:
    scan = replace(sample_scan(kind, ended_at=_SCANNED_AT), **more)
    return {"occurred_at": _SCANNED_AT, "scan": scan}


#: What an example shows that the sample of its type does not.
_SHOWN: dict[EventType, dict[str, Any]] = {
    EventType.IMAGE_PULL: {"operator": "robot$prj+deploy"},
    EventType.IMAGE_DELETE: {"tag": "v1.1.0", "tags": ("v1.1.0", "stable"), "platforms": ()},
    EventType.CHART_PULL: {"operator": "robot$prj+deploy"},
    EventType.SCAN_COMPLETED: _scanned(EventType.SCAN_COMPLETED),
    EventType.SCAN_FAILED: _scanned(EventType.SCAN_FAILED, report_id="a2573415-c727-4723-bc92-376c1d978637"),
}


def _example(kind: EventType, number: int) -> Event:
    about: dict[str, Any] = {"id": UUID(int=_ID.int | number), "request_id": _REQUEST_ID} | _SHOWN.get(
        kind, {}
    )
    return replace(sample_of(kind), **about)


EXAMPLES = {kind: _example(kind, number) for number, kind in enumerate(EventType, start=1)}
