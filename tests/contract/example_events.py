"""The events that the published examples (schemas/examples) show."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sidecar.event import Chart, Event, EventType
from sidecar.formats import FormatContext
from sidecar.names import Repository
from sidecar.scan import ReportType, Scanner, Severity, Vulnerability, completed_scan, failed_scan

CONTEXT = FormatContext(
    hostname="registry.example.com",
    external_url="https://registry.example.com",
    repository_created_at=1767225600,
    source="/projects/963636254/webhook/policies/1276968090",
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
_TRIVY = Scanner(name="Trivy", vendor="Aqua Security", version="v0.37.2")
_SCAN_STARTED = _PUSH.occurred_at.replace(microsecond=0) - timedelta(seconds=8)
_SCAN_ENDED = _SCAN_STARTED + timedelta(seconds=8)
_COMPLETED = completed_scan(
    report_id="64a2d6e6-26ea-4d4c-8a0e-9d2f3f1a8a4b",
    report_type=ReportType.GENERIC,
    scanner=_TRIVY,
    started_at=_SCAN_STARTED,
    ended_at=_SCAN_ENDED,
    vulnerabilities=(
        Vulnerability(
            id="CVE-2023-23914",
            severity=Severity.CRITICAL,
            package="curl",
            version="7.87.0-r1",
            fix_version="7.87.0-r2",
            description="HSTS is ignored when several URLs are requested serially.",
            links=("https://avd.aquasec.com/nvd/cve-2023-23914",),
            fix_url="https://curl.se/docs/CVE-2023-23914.html",
        ),
        Vulnerability(
            id="CVE-2023-0464",
            severity=Severity.HIGH,
            package="libssl3",
            version="3.0.8-r0",
            fix_version="3.0.8-r1",
            description="Denial of service by excessive resource usage in verifying X509 policy constraints.",
            links=("https://avd.aquasec.com/nvd/cve-2023-0464",),
        ),
        Vulnerability(
            id="CVE-2022-48174",
            severity=Severity.MEDIUM,
            package="busybox",
            version="1.35.0-r29",
            description="Stack overflow in ash.c.",
            links=("https://avd.aquasec.com/nvd/cve-2022-48174",),
        ),
    ),
)
_FAILED = failed_scan(
    report_id="a2573415-c727-4723-bc92-376c1d978637",
    report_type=ReportType.GENERIC,
    scanner=_TRIVY,
    started_at=_SCAN_STARTED,
    ended_at=_SCAN_ENDED,
    error="running trivy wrapper: fetching scan report: connection refused",
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
        _like(
            _PUSH, EventType.SCAN_COMPLETED, 7, platforms=(), scan=_COMPLETED, occurred_at=_COMPLETED.ended_at
        ),
        _like(_PUSH, EventType.SCAN_FAILED, 8, platforms=(), scan=_FAILED, occurred_at=_FAILED.ended_at),
        _like(_PUSH, EventType.QUOTA_EXCEED, 9, platforms=(), details=_QUOTA),
    )
}
