"""Sample events of each type: to try a template on, to preview a payload, to test an endpoint."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from sidecar.event import Chart, Event, EventType
from sidecar.formats.resource import CHART_EVENTS
from sidecar.names import repository_of

_AT: Final = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
_ID: Final = UUID("5a3b1c52-9d0c-4f0a-8a51-6f2f6a3c9b10")
_DIGEST: Final = "sha256:9e2c9d5f44efbb6ee83aecd17a120c513047d289d142ec5738c9f02f9b24ad07"
_REFUSAL: Final = (
    "adding 330.1 MiB of storage resource, which when updated to current usage of 8.4 MiB "
    "will exceed the configured upper limit of 10.0 MiB."
)
#: Whatever a client may send where text is free.
_AWKWARD: Final = 'a "quoted" \\ <user>\n'


def sample_of(kind: EventType, *, project: str = "prj") -> Event:
    """The usual case: somebody known, a tag, everything learnt."""
    if kind in CHART_EVENTS:
        return _chart_event(kind, project)
    return Event(
        id=_ID,
        type=kind,
        occurred_at=_AT,
        operator="alice",
        repository=repository_of(f"{project}/repo1", default_project=project),
        digest=_DIGEST,
        tag="v1.2.0",
        tags=("v1.2.0",),
        platforms=("linux/amd64", "linux/arm64"),
        size_bytes=52_428_800,
        details=_REFUSAL if kind is EventType.QUOTA_EXCEED else "",
    )


def samples_of(kind: EventType) -> tuple[Event, ...]:
    """The usual case and the unusual ones: what is missing, what has characters that need care."""
    usual = sample_of(kind)
    if chart := usual.chart:
        unknown = replace(chart, type="", size_bytes=None)
        return usual, replace(usual, operator=_AWKWARD), replace(usual, operator="", chart=unknown)
    awkward = replace(usual, operator=_AWKWARD, platforms=(), details=usual.details and _AWKWARD)
    by_digest = replace(usual, operator="", tag="", tags=(), platforms=(), size_bytes=None)
    if kind is EventType.QUOTA_EXCEED:
        return usual, awkward, replace(by_digest, digest="")
    return usual, awkward, by_digest


def _chart_event(kind: EventType, project: str) -> Event:
    return Event(
        id=_ID,
        type=kind,
        occurred_at=_AT,
        operator="alice",
        repository=repository_of(f"{project}/web", default_project=project),
        tag="0.4.0",
        tags=("0.4.0",),
        chart=Chart(
            name="web",
            version="0.4.0",
            type="application",
            size_bytes=48_131,
            path=f"/{project}/charts/web-0.4.0.tgz",
        ),
    )
