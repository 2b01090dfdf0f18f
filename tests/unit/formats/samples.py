"""Events for the tests of formats: fixed ones, and all that hypothesis can think of."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from sidecar.formats import FormatContext
from sidecar.formats.samples import sample_scan
from sidecar.model.event import Chart, Event, EventType, Shape
from sidecar.model.names import repository_of
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

DIGEST = "sha256:dde8e930c7b6a490f728e66292bc9bce42efc9bbb5278bae40e4f30f6e00fe8c"
CONTEXT = FormatContext(
    hostname="registry.example.com",
    external_url="https://registry.example.com",
    repository_created_at=1677053165,
)
IMAGE_TYPES = tuple(kind for kind in EventType if kind.about.shape is Shape.IMAGE)
CHART_TYPES = tuple(kind for kind in EventType if kind.about.shape is Shape.CHART)
SCAN_TYPES = tuple(kind for kind in EventType if kind.about.shape is Shape.SCAN)
TYPES = tuple(EventType)
OVERFLOW = (
    "adding 330.1 MiB of storage resource, which when updated to current usage of 8.4 MiB "
    "will exceed the configured upper limit of 10.0 MiB."
)


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def an_event(kind: EventType = EventType.IMAGE_PUSH, **more: Any) -> Event:
    """An event about prj/app:v1, or about version 1.2.3 of the chart prj/web."""
    if kind in CHART_TYPES:
        path = "/prj/charts/web-1.2.3.tgz"
        chart = Chart(name="web", version="1.2.3", type="application", size_bytes=4711, path=path)
        about: dict[str, Any] = {"repository": "prj/web", "tag": "1.2.3", "chart": chart}
    else:
        about = {"repository": "prj/app", "tag": "v1", "digest": DIGEST, "size_bytes": 52_428_800}
    about |= {"operator": "alice", "request_id": "51c0b694", "details": ""} | more
    about["repository"] = repository_of(about["repository"], default_project="library")
    about.setdefault("tags", (about["tag"],) if about["tag"] else ())
    if kind is EventType.QUOTA_EXCEED:
        about["details"] = about["details"] or OVERFLOW
    about.setdefault("id", UUID("4b2f89a6-548d-4c12-9993-a1f5790b97d2"))
    about.setdefault("occurred_at", datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC))
    if kind in SCAN_TYPES:
        about.setdefault("scan", sample_scan(kind, ended_at=about["occurred_at"]))
    return Event(type=kind, **about)


_NAMES = st.from_regex(r"[a-z0-9]{1,8}([._-][a-z0-9]{1,8})?(/[a-z0-9]{1,8}){0,2}", fullmatch=True)
_TAGS = st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}", fullmatch=True)
_DIGESTS = st.from_regex(r"sha256:[a-f0-9]{64}", fullmatch=True)
_TEXTS = st.text(st.characters(), max_size=40)  # what clients send, lone surrogates too
_SIZES = st.none() | st.integers(0, 2**50)
_PLATFORMS = st.lists(st.sampled_from(["linux/amd64", "linux/arm64/v8", "windows/amd64"]), unique=True)
_TIMES = st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
_VERSIONS = st.from_regex(r"[0-9]{1,3}\.[0-9]\.[0-9](-[a-z0-9]{1,5})?(\+[a-z0-9]{1,5})?", fullmatch=True)
_CHARTS = st.builds(
    Chart,
    name=st.from_regex(r"[a-zA-Z0-9._-]{1,12}", fullmatch=True),
    version=_VERSIONS,
    type=st.sampled_from(["application", "library", ""]),
    size_bytes=_SIZES,
    path=st.from_regex(r"(/[a-z]{1,5}){1,3}\.tgz", fullmatch=True),
)
_SECONDS = st.timedeltas(timedelta(seconds=-1), timedelta(hours=1))
_LINKS = st.from_regex(r"https://[a-z]{1,9}\.example/[a-zA-Z0-9]{0,9}", fullmatch=True) | _TEXTS
_SCANNERS = st.builds(Scanner, name=_TEXTS, vendor=_TEXTS, version=_TEXTS)
_VULNERABILITIES = st.builds(
    Vulnerability,
    id=_TEXTS,
    severity=st.sampled_from(Severity),
    package=_TEXTS,
    version=_TEXTS,
    fix_version=_TEXTS,
    description=st.text(st.characters(), max_size=400),
    links=st.lists(_LINKS, max_size=3).map(tuple),
    fix_url=_LINKS,
)


@st.composite
def scans(draw: Callable[[st.SearchStrategy[Any]], Any], kind: EventType, ended_at: datetime) -> Scan:
    """Any scan that an event of one of SCAN_TYPES may carry."""
    about = {
        "report_id": draw(_TEXTS),
        "report_type": draw(st.sampled_from(ReportType)),
        "started_at": ended_at - draw(_SECONDS),
        "ended_at": ended_at,
    }
    if kind is EventType.SCAN_COMPLETED:
        vulnerabilities = draw(st.lists(_VULNERABILITIES, max_size=5)) * draw(st.sampled_from([1, 1, 50]))
        return completed_scan(**about, scanner=draw(_SCANNERS), vulnerabilities=vulnerabilities)
    status = draw(st.sampled_from([ScanStatus.ERROR, ScanStatus.STOPPED]))
    return failed_scan(**about, error=draw(_TEXTS), status=status, scanner=draw(st.none() | _SCANNERS))


def contexts() -> st.SearchStrategy[FormatContext]:
    return st.builds(
        FormatContext,
        hostname=st.sampled_from(["registry.example.com", "10.0.0.1:5000"]),
        external_url=st.sampled_from(["https://registry.example.com", "http://10.0.0.1:5000/"]),
        public=st.booleans(),
        repository_created_at=st.none() | st.integers(1, 2**33),
    )


@st.composite
def events(draw: Callable[[st.SearchStrategy[Any]], Any], *types: EventType) -> Event:
    """Any event that a detector may raise of these types (of all, when none is named)."""
    kind = draw(st.sampled_from(types or TYPES))
    may_be_chart = kind is EventType.QUOTA_EXCEED and draw(st.booleans())
    chart = draw(_CHARTS) if kind in CHART_TYPES or may_be_chart else None
    tag = chart.version if chart else draw(st.just("") | _TAGS)
    always = kind is not EventType.QUOTA_EXCEED
    digest = "" if chart else draw(_DIGESTS if always else st.just("") | _DIGESTS)
    others = [] if chart or not digest else draw(st.lists(_TAGS, max_size=3))
    occurred_at = draw(_TIMES)
    return Event(
        id=draw(st.uuids()),
        type=kind,
        occurred_at=occurred_at,
        operator=draw(_TEXTS),
        repository=repository_of(draw(_NAMES), default_project="library"),
        digest=digest,
        tag=tag,
        tags=tuple(dict.fromkeys([tag, *others] if tag else others)),
        platforms=tuple(draw(_PLATFORMS)) if kind in IMAGE_TYPES else (),
        size_bytes=draw(_SIZES),
        chart=chart,
        scan=draw(scans(kind, occurred_at)) if kind in SCAN_TYPES else None,
        request_id=draw(st.just("") | st.text("0123456789abcdef-", min_size=1)),
        details=draw(_TEXTS) if kind is EventType.QUOTA_EXCEED else "",
    )
