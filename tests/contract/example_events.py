"""The events that the published examples (schemas/examples) show."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from sidecar.event import Chart, Event, EventType
from sidecar.formats import FormatContext
from sidecar.names import Repository

CONTEXT = FormatContext(
    hostname="registry.example.com",
    external_url="https://registry.example.com",
    repository_created_at=1767225600,
    source="/projects/prj/webhook/policies/prj%2Fci",
)

_PUSH = Event(
    id=UUID("0f0e4d6a-3a55-5d2c-9d0b-6a2f1c6c1a01"),
    type=EventType.IMAGE_PUSH,
    occurred_at=datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC),
    operator="alice",
    repository=Repository("prj", "repo1", "prj/repo1"),
    digest="sha256:9e2c9d5f44efbb6ee83aecd17a120c513047d289d142ec5738c9f02f9b24ad07",
    tag="v1.2.0",
    tags=("v1.2.0",),
    platforms=("linux/amd64", "linux/arm64"),
    request_id="2eedfab8-61d3-4f3c-8ec3-8f82d1ec4c84",
)
_UPLOAD = Event(
    id=UUID("0f0e4d6a-3a55-5d2c-9d0b-6a2f1c6c1a04"),
    type=EventType.CHART_PUSH,
    occurred_at=_PUSH.occurred_at,
    operator="alice",
    repository=Repository("prj", "web", "prj/web"),
    tag="0.4.0",
    tags=("0.4.0",),
    chart=Chart(
        name="web", version="0.4.0", type="application", size_bytes=48131, path="/prj/charts/web-0.4.0.tgz"
    ),
    request_id=_PUSH.request_id,
)
_QUOTA = (
    "adding 330.1 MiB of storage resource, which when updated to current usage of 8.4 MiB "
    "will exceed the configured upper limit of 10.0 MiB."
)


def _like(event: Event, kind: EventType, number: int, **more: object) -> Event:
    return replace(event, type=kind, id=UUID(int=event.id.int & ~0xFF | number), **more)  # type: ignore[arg-type]


EXAMPLES = {
    event.type: event
    for event in (
        _PUSH,
        _like(_PUSH, EventType.IMAGE_PULL, 2, operator="robot$prj+deploy"),
        _like(
            _PUSH,
            EventType.IMAGE_DELETE,
            3,
            tag="v1.1.0",
            tags=("v1.1.0", "stable"),
            platforms=(),
            size_bytes=52428800,
        ),
        _UPLOAD,
        _like(_UPLOAD, EventType.CHART_PULL, 5, operator="robot$prj+deploy"),
        _like(_UPLOAD, EventType.CHART_DELETE, 6),
        _like(_PUSH, EventType.QUOTA_EXCEED, 9, platforms=(), details=_QUOTA),
    )
}
