"""What happened, in Harbor's terms, and the one table of all that is said of each event type.

An Event is not a payload: formats turn it into what a target receives. The names of the nine events
are those of Harbor's webhook page; their spellings on the wire are in `EventType` and its table. Whoever adds a
type writes its row here, and what raises it (docs/architecture.md, "A new event").
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
    """What payloads tell of an event, whatever their format."""

    IMAGE = auto()  #: an image and its repository
    CHART = auto()
    SCAN = auto()  #: an image, and what was found in it
    QUOTA = auto()  #: what was refused (an image, a chart, or a piece that says of neither), and why


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """All that is said of one event type."""

    harbor2: str  #: its name in Harbor 2.x
    page: str  #: its name in the table of Harbor's webhook page
    cloudevents: str  #: its type in CloudEvents; Harbor has none for charts, ours follow its pattern
    cdevents: str | None  #: its type in CDEvents; None where that has no such event
    title: str  #: what chats begin with
    meaning: str  #: what happened, for the descriptions in schemas/
    shape: Shape
    operations: frozenset[type[Operation]]  #: what may raise it, and what decides whether it is raised
    as_oci_chart: EventType | None  #: what it is besides, for a chart that is kept as an OCI artifact
    happens: bool  #: whether anything raises it in this version
    in_all: bool  #: whether a policy that names no events asks for it


_Operations = frozenset[type[Operation]]
#: Whoever hears of one of them needs the other: what tags name is remembered by both.
_CHANGES: Final[_Operations] = frozenset({PutManifest, DeleteManifest})
#: A pull is told from a read-back by what was pushed, from the preparation of a delete by the delete.
_PULLS: Final[_Operations] = _CHANGES | {HeadManifest, GetManifest, GetBlob}


def _row(kind: EventType) -> About:
    # A match, because a type checker sees when one is missing; of a dictionary it would not.
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
                operations=_CHANGES | {WriteBlob},  # an upload under way lets a push by digest wait
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
                # What a client asks first tells which refused requests are one push.
                operations=frozenset(
                    {PutManifest, HeadManifest, HeadBlob, WriteBlob, UploadChart, UploadProvenance}
                ),
                as_oci_chart=None,
                happens=True,
                in_all=True,
            )


_TABLE: Final = {kind: _row(kind) for kind in EventType}
#: What a policy asks for that names no events.
IN_ALL: Final = frozenset(kind for kind in EventType if kind.about.in_all)
#: What raises these is not there yet.
NOT_YET: Final = frozenset(kind for kind in EventType if not kind.about.happens)
#: The rest of what Harbor 2 lets a policy ask for (GET /webhook/events).
OF_HARBOR_ALONE: Final = ("SCANNING_STOPPED", "QUOTA_WARNING", "REPLICATION", "TAG_RETENTION")


def _bare(text: str) -> str:
    """A name by its letters: people write IMAGE PUSH, image_push and Image-Push."""
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
    type: str  #: application or library; "" when it could not be learnt
    size_bytes: int | None  #: of the .tgz; None when it could not be learnt
    path: str = ""  #: path of the download below external_url; "" for a chart kept as an OCI artifact


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that was done to a repository."""

    id: UUID  #: the same whatever is repeated
    type: EventType
    occurred_at: datetime  #: UTC, when the upstream's answer came, or a scan ended
    operator: str  #: who did it, Harbor's word; "" for an anonymous client
    repository: Repository
    digest: str = ""  #: always set for images
    tag: str = ""  #: the tag that the user meant; "" when the digest was named
    tags: tuple[str, ...] = ()  #: every tag known to name the digest, `tag` first
    media_type: str = ""
    platforms: tuple[str, ...] = ()  #: of a multi-platform image, os/architecture[/variant]
    size_bytes: int | None = None  #: manifests, configs and layers together
    chart: Chart | None = None
    scan: Scan | None = None  #: for SCAN_COMPLETED (status SUCCESS) and SCAN_FAILED (any other)
    user_agent: str = ""
    request_id: str = ""
    details: str = field(default="")  #: why a push was refused, for QUOTA_EXCEED
