"""What happened, in Harbor's terms, and the table of all properties of the event types.

An Event is not a payload: formats turn it into what a target receives. The names of the nine events
are those of Harbor's webhook page; their spellings on the wire are in `EventType` and its table. A new type
needs its row here and something that raises it (docs/architecture.md, "A new event").
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum, auto
from typing import Final
from uuid import UUID

from sidecar.model.names import Repository
from sidecar.model.operation import (
    DeleteChart,
    DeleteManifest,
    DownloadChart,
    GetBlob,
    GetManifest,
    HeadBlob,
    HeadManifest,
    Operation,
    PutManifest,
    UploadChart,
    UploadProvenance,
    WriteBlob,
)
from sidecar.model.scan import Scan


class EventType(StrEnum):
    """The nine events; the value is the name that Harbor 1.x and the documented form use.

    Source: Harbor v1.10.0 src/pkg/notification/model/const.go; 2.x: src/controller/event/topic.go.
    """

    IMAGE_PUSH = "pushImage"
    IMAGE_PULL = "pullImage"
    IMAGE_DELETE = "deleteImage"
    CHART_PUSH = "uploadChart"
    CHART_PULL = "downloadChart"
    CHART_DELETE = "deleteChart"
    SCAN_COMPLETED = "scanningCompleted"
    SCAN_FAILED = "scanningFailed"
    QUOTA_EXCEED = "projectQuota"

    @property
    def about(self) -> "About":
        """Its row of the table."""
        return _TABLE[self]

    @property
    def harbor2(self) -> str:
        """The name that Harbor 2.x sends."""
        return _TABLE[self].harbor2


class Shape(Enum):
    """What payloads of an event contain, whatever their format."""

    IMAGE = auto()  #: an image and its repository
    CHART = auto()
    SCAN = auto()  #: an image and the result of its scan
    QUOTA = auto()  #: what was refused (an image, a chart, or a blob that may belong to either), and why


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """The properties of one event type."""

    harbor2: str  #: its name in Harbor 2.x
    page: str  #: its name in the table of Harbor's webhook page
    cloudevents: str  #: its type in CloudEvents; Harbor has none for charts, ours follow its pattern
    cdevents: str | None  #: its type in CDEvents; None if there is none
    title: str  #: the beginning of chat messages
    meaning: str  #: what happened, for the descriptions in schemas/
    shape: Shape
    operations: frozenset[type[Operation]]  #: operations that may raise it, or decide whether it is raised
    as_oci_chart: EventType | None  #: the additional type for a chart stored as an OCI artifact
    happens: bool  #: whether anything raises it in this version
    in_all: bool  #: whether a policy that names no events asks for it


_Operations = frozenset[type[Operation]]
#: A policy for one of them needs the other: both update the memory of tags.
_CHANGES: Final[_Operations] = frozenset({PutManifest, DeleteManifest})
#: A preceding push distinguishes a read-back from a pull, a following delete its preparation.
_PULLS: Final[_Operations] = _CHANGES | {HeadManifest, GetManifest, GetBlob}


def _row(kind: EventType) -> About:
    # A match, because a type checker reports a missing case; for a dictionary it would not.
    match kind:
        case EventType.IMAGE_PUSH:
            return About(
                harbor2="PUSH_ARTIFACT",
                page="IMAGE PUSH",
                cloudevents="harbor.artifact.pushed",
                cdevents="dev.cdevents.artifact.published.0.3.0",
                title="Image pushed",
                meaning="an image was pushed",
                shape=Shape.IMAGE,
                operations=_CHANGES | {WriteBlob},  # an upload in progress makes a push by digest wait
                as_oci_chart=EventType.CHART_PUSH,
                happens=True,
                in_all=True,
            )
        case EventType.IMAGE_PULL:
            return About(
                harbor2="PULL_ARTIFACT",
                page="IMAGE PULL",
                cloudevents="harbor.artifact.pulled",
                cdevents="dev.cdevents.artifact.downloaded.0.2.0",
                title="Image pulled",
                meaning="an image was pulled",
                shape=Shape.IMAGE,
                operations=_PULLS,
                as_oci_chart=EventType.CHART_PULL,
                happens=True,
                in_all=True,
            )
        case EventType.IMAGE_DELETE:
            return About(
                harbor2="DELETE_ARTIFACT",
                page="IMAGE DELETE",
                cloudevents="harbor.artifact.deleted",
                cdevents="dev.cdevents.artifact.deleted.0.2.0",
                title="Image deleted",
                meaning="an image or one of its tags was deleted",
                shape=Shape.IMAGE,
                operations=_CHANGES,
                as_oci_chart=EventType.CHART_DELETE,
                happens=True,
                in_all=True,
            )
        case EventType.CHART_PUSH:
            return About(
                harbor2="UPLOAD_CHART",
                page="CHART PUSH",
                cloudevents="harbor.chart.uploaded",
                cdevents="dev.cdevents.artifact.published.0.3.0",
                title="Chart uploaded",
                meaning="a chart was uploaded",
                shape=Shape.CHART,
                operations=_CHANGES | {UploadChart},
                as_oci_chart=None,
                happens=True,
                in_all=True,
            )
        case EventType.CHART_PULL:
            return About(
                harbor2="DOWNLOAD_CHART",
                page="CHART PULL",
                cloudevents="harbor.chart.downloaded",
                cdevents="dev.cdevents.artifact.downloaded.0.2.0",
                title="Chart downloaded",
                meaning="a chart was downloaded",
                shape=Shape.CHART,
                operations=_PULLS | {DownloadChart},
                as_oci_chart=None,
                happens=True,
                in_all=True,
            )
        case EventType.CHART_DELETE:
            return About(
                harbor2="DELETE_CHART",
                page="CHART DELETE",
                cloudevents="harbor.chart.deleted",
                cdevents="dev.cdevents.artifact.deleted.0.2.0",
                title="Chart deleted",
                meaning="a version of a chart was deleted",
                shape=Shape.CHART,
                operations=_CHANGES | {DeleteChart},
                as_oci_chart=None,
                happens=True,
                in_all=True,
            )
        case EventType.SCAN_COMPLETED:
            return About(
                harbor2="SCANNING_COMPLETED",
                page="IMAGE SCAN COMPLETED",
                cloudevents="harbor.scan.completed",
                cdevents=None,
                title="Scan completed",
                meaning="an image was scanned for vulnerabilities",
                shape=Shape.SCAN,
                operations=frozenset(),
                as_oci_chart=None,
                happens=False,
                in_all=True,
            )
        case EventType.SCAN_FAILED:
            return About(
                harbor2="SCANNING_FAILED",
                page="IMAGE SCAN FAILED",
                cloudevents="harbor.scan.failed",
                cdevents=None,
                title="Scan failed",
                meaning="a scan came to no result",
                shape=Shape.SCAN,
                operations=frozenset(),
                as_oci_chart=None,
                happens=False,
                in_all=True,
            )
        case EventType.QUOTA_EXCEED:
            return About(
                harbor2="QUOTA_EXCEED",
                page="PROJECT QUOTA EXCEED",
                cloudevents="harbor.quota.exceeded",
                cdevents=None,
                title="Project quota exceeded",
                meaning="a push was refused for want of storage",
                shape=Shape.QUOTA,
                # A client's first requests show which refused requests are one push.
                operations=frozenset(
                    {PutManifest, HeadManifest, HeadBlob, WriteBlob, UploadChart, UploadProvenance}
                ),
                as_oci_chart=None,
                happens=True,
                in_all=True,
            )


_TABLE: Final = {kind: _row(kind) for kind in EventType}
#: The types of a policy that names none.
IN_ALL: Final = frozenset(kind for kind in EventType if kind.about.in_all)
#: Types that nothing raises yet.
NOT_YET: Final = frozenset(kind for kind in EventType if not kind.about.happens)
#: Other types that Harbor 2 allows in a policy (GET /webhook/events).
OF_HARBOR_ALONE: Final = ("SCANNING_STOPPED", "QUOTA_WARNING", "REPLICATION", "TAG_RETENTION")


def _bare(text: str) -> str:
    """A name reduced to its letters: people write IMAGE PUSH, image_push and Image-Push."""
    return "".join(letter for letter in text.lower() if letter not in " \t_-")


_BY_SPELLING = {
    _bare(name): kind for kind in EventType for name in (kind.value, kind.harbor2, kind.about.page)
}
_ALONE = {_bare(name): name for name in OF_HARBOR_ALONE}


def parse_event_type(text: str) -> EventType | None:
    """An event type as Harbor 1, Harbor 2 or its webhook page names it, None for any other word."""
    return _BY_SPELLING.get(_bare(text))


def of_harbor_alone(text: str) -> str | None:
    """The name of an event type that Harbor raises and this program never does."""
    return _ALONE.get(_bare(text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """The chart that a chart event is about."""

    name: str
    version: str
    type: str  #: application or library; "" if unknown
    size_bytes: int | None  #: of the .tgz; None if unknown
    path: str = ""  #: path of the download below external_url; "" for a chart stored as an OCI artifact


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One action on a repository."""

    id: UUID  #: the same for every repetition
    type: EventType
    occurred_at: datetime  #: UTC, when the upstream's response came, or a scan ended
    operator: str  #: who did it, Harbor's word; "" for an anonymous client
    repository: Repository
    digest: str = ""  #: always set for images
    tag: str = ""  #: the tag that the user named; "" when it was a digest
    tags: tuple[str, ...] = ()  #: every tag known to name the digest, `tag` first
    media_type: str = ""
    platforms: tuple[str, ...] = ()  #: of a multi-platform image, os/architecture[/variant]
    size_bytes: int | None = None  #: manifests, configs and layers together
    chart: Chart | None = None
    scan: Scan | None = None  #: for SCAN_COMPLETED (status SUCCESS) and SCAN_FAILED (any other)
    user_agent: str = ""
    request_id: str = ""
    details: str = field(default="")  #: why a push was refused, for QUOTA_EXCEED
