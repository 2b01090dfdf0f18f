"""Sample events of each type, by its shape: to try a template on, to preview a payload, to test an endpoint."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID

from sidecar.model.event import Chart, Event, EventType, Shape
from sidecar.model.names import Repository, repository_of
from sidecar.model.scan import (
    ReportType,
    Scan,
    Scanner,
    ScanStatus,
    Severity,
    Vulnerability,
    completed_scan,
    failed_scan,
)

_AT: Final = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
_ID: Final = UUID("5a3b1c52-9d0c-4f0a-8a51-6f2f6a3c9b10")
_DIGEST: Final = "sha256:9e2c9d5f44efbb6ee83aecd17a120c513047d289d142ec5738c9f02f9b24ad07"
_REFUSAL: Final = (
    "adding 330.1 MiB of storage resource, which when updated to current usage of 8.4 MiB "
    "will exceed the configured upper limit of 10.0 MiB."
)
_REPORT: Final = "64a2d6e6-26ea-4d4c-8a0e-9d2f3f1a8a4b"
_SCANNER: Final = Scanner(name="Trivy", vendor="Aqua Security", version="v0.37.2")
_SCAN_TOOK: Final = timedelta(seconds=8)
_FAILURE: Final = "running trivy wrapper: fetching scan report: connection refused"
_VULNERABILITIES: Final = (
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
)
#: When the repository of a sample was created, Unix seconds: the day before.
SAMPLE_CREATED_AT: Final = int((_AT - timedelta(days=1)).timestamp())
#: Awkward characters that a client may send in free text.
_AWKWARD: Final = 'a "quoted" \\ <user>\n'

#: The types that this version raises.
SAMPLE_TYPES: Final = tuple(kind for kind in EventType if kind.about.happens)
#: Distinguishes the samples of an endpoint test from real events.
MARK: Final = "webhook-test"
_MARKED_DIGEST: Final = f"sha256:{sha256(MARK.encode()).hexdigest()}"
_MARKED_VERSION: Final = f"0.0.0-{MARK}"  # must be a valid version, or receivers fail
_MARKED_BYTES: Final = 4096


def sample_of(kind: EventType, *, project: str = "prj") -> Event:
    """The usual case: a user, a tag, and all properties known."""
    match kind.about.shape:
        case Shape.IMAGE:
            return replace(_image_event(kind, project), platforms=("linux/amd64", "linux/arm64"))
        case Shape.CHART:
            return _chart_event(kind, project)
        case Shape.SCAN:
            return replace(_image_event(kind, project), scan=sample_scan(kind, ended_at=_AT))
        case Shape.QUOTA:
            return replace(_image_event(kind, project), details=_REFUSAL)


def marked_sample(kind: EventType, *, project: str, id: UUID, at: datetime) -> Event:  # noqa: A002
    """The usual case for an endpoint test: in the repository PROJECT/webhook-test, with the tag webhook-test."""
    usual = sample_of(kind, project=project)
    return replace(
        usual,
        id=id,
        occurred_at=at,
        operator=MARK,
        repository=Repository(project, MARK, f"{project}/{MARK}"),
        digest=usual.digest and _MARKED_DIGEST,
        tag=MARK,
        tags=(MARK,),
        platforms=(),
        size_bytes=usual.size_bytes and _MARKED_BYTES,
        chart=usual.chart and _marked_chart(usual.chart, project),
        scan=usual.scan and sample_scan(kind, ended_at=at),
    )


def sample_scan(kind: EventType, *, ended_at: datetime) -> Scan:
    """The scan of an event of the shape SCAN."""
    started_at = ended_at - _SCAN_TOOK
    if kind is EventType.SCAN_FAILED:
        return failed_scan(
            report_id=_REPORT,
            report_type=ReportType.GENERIC,
            started_at=started_at,
            ended_at=ended_at,
            error=_FAILURE,
            scanner=_SCANNER,
        )
    return completed_scan(
        report_id=_REPORT,
        report_type=ReportType.GENERIC,
        scanner=_SCANNER,
        started_at=started_at,
        ended_at=ended_at,
        vulnerabilities=_VULNERABILITIES,
    )


def samples_of(kind: EventType) -> tuple[Event, ...]:
    """The usual case and the unusual ones: missing values, and characters that need escaping."""
    usual = sample_of(kind)
    if chart := usual.chart:
        unknown = replace(chart, type="", size_bytes=None)
        return usual, replace(usual, operator=_AWKWARD), replace(usual, operator="", chart=unknown)
    awkward = replace(usual, operator=_AWKWARD, platforms=(), details=usual.details and _AWKWARD)
    by_digest = replace(usual, operator="", tag="", tags=(), platforms=(), size_bytes=None)
    if kind.about.shape is Shape.QUOTA:
        of_chart = replace(_chart_event(kind, usual.repository.project), details=_REFUSAL)
        return usual, awkward, replace(by_digest, digest=""), of_chart
    if scan := usual.scan:
        return usual, replace(awkward, scan=_awkward_scan(scan)), replace(by_digest, scan=_empty_scan(scan))
    return usual, awkward, by_digest


def _awkward_scan(scan: Scan) -> Scan:
    found = tuple(
        replace(found, package=_AWKWARD, description=_AWKWARD, links=()) for found in scan.vulnerabilities
    )
    return replace(scan, vulnerabilities=found, error=scan.error and _AWKWARD)


def _empty_scan(scan: Scan) -> Scan:
    """A scan without findings, or one that was stopped."""
    if scan.status is ScanStatus.SUCCESS:
        return replace(scan, severity=Severity.NONE, counts=(), fixable=0, vulnerabilities=())
    return replace(scan, status=ScanStatus.STOPPED, scanner=None, error="")


def _image_event(kind: EventType, project: str) -> Event:
    return Event(
        id=_ID,
        type=kind,
        occurred_at=_AT,
        operator="alice",
        repository=repository_of(f"{project}/repo1", default_project=project),
        digest=_DIGEST,
        tag="v1.2.0",
        tags=("v1.2.0",),
        size_bytes=52_428_800,
    )


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


def _marked_chart(chart: Chart, project: str) -> Chart:
    path = f"/{project}/charts/{MARK}-{_MARKED_VERSION}.tgz"
    return replace(chart, name=MARK, version=_MARKED_VERSION, size_bytes=_MARKED_BYTES, path=path)
