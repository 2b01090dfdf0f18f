"""Sample events for testing a target: like real ones, with new ids, and marked by the tag `webhook-test`."""

from datetime import datetime
from hashlib import sha256
from typing import Final
from uuid import uuid4

from sidecar.event import NOT_YET, Chart, Event, EventType
from sidecar.formats.resource import CHART_EVENTS, SCAN_EVENTS
from sidecar.formats.samples import sample_scan
from sidecar.names import Repository

MARK: Final = "webhook-test"
_CHART_VERSION: Final = f"0.0.0-{MARK}"  # a version must be one, or receivers stumble over it
_DIGEST: Final = f"sha256:{sha256(MARK.encode()).hexdigest()}"
_SIZE_BYTES: Final = 4096
_DETAILS: Final = (
    "adding 330.1 MiB of storage resource, which when updated to current usage of 8.4 MiB "
    "will exceed the configured upper limit of 10.0 MiB."
)

#: The types that happen in this version.
SAMPLE_TYPES: Final = tuple(kind for kind in EventType if kind not in NOT_YET)


def sample_event(kind: EventType, *, project: str, at: datetime) -> Event:
    return Event(
        id=uuid4(),
        type=kind,
        occurred_at=at,
        operator=MARK,
        repository=Repository(project, MARK, f"{project}/{MARK}"),
        digest="" if kind in CHART_EVENTS else _DIGEST,
        tag=MARK,
        tags=(MARK,),
        size_bytes=None if kind in CHART_EVENTS else _SIZE_BYTES,
        chart=_chart(project) if kind in CHART_EVENTS else None,
        scan=sample_scan(kind, ended_at=at) if kind in SCAN_EVENTS else None,
        details=_DETAILS if kind is EventType.QUOTA_EXCEED else "",
    )


def _chart(project: str) -> Chart:
    path = f"/{project}/charts/{MARK}-{_CHART_VERSION}.tgz"
    return Chart(name=MARK, version=_CHART_VERSION, type="application", size_bytes=_SIZE_BYTES, path=path)
