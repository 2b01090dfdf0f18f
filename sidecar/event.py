"""What happened, in Harbor's terms.

An Event is not a payload: formats turn it into what a target receives. The names of the nine events
are those of Harbor's webhook page; their spellings on the wire are in `EventType`.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from sidecar.names import Repository
from sidecar.scan import Scan


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
    def harbor2(self) -> str:
        """The name that Harbor 2.x sends."""
        return _HARBOR2[self]


_HARBOR2 = {
    EventType.IMAGE_PUSH: "PUSH_ARTIFACT",
    EventType.IMAGE_PULL: "PULL_ARTIFACT",
    EventType.IMAGE_DELETE: "DELETE_ARTIFACT",
    EventType.CHART_PUSH: "UPLOAD_CHART",
    EventType.CHART_PULL: "DOWNLOAD_CHART",
    EventType.CHART_DELETE: "DELETE_CHART",
    EventType.SCAN_COMPLETED: "SCANNING_COMPLETED",
    EventType.SCAN_FAILED: "SCANNING_FAILED",
    EventType.QUOTA_EXCEED: "QUOTA_EXCEED",
}
#: As the table of Harbor's webhook page writes them.
_ON_THE_PAGE = {
    EventType.IMAGE_PUSH: "IMAGE PUSH",
    EventType.IMAGE_PULL: "IMAGE PULL",
    EventType.IMAGE_DELETE: "IMAGE DELETE",
    EventType.CHART_PUSH: "CHART PUSH",
    EventType.CHART_PULL: "CHART PULL",
    EventType.CHART_DELETE: "CHART DELETE",
    EventType.SCAN_COMPLETED: "IMAGE SCAN COMPLETED",
    EventType.SCAN_FAILED: "IMAGE SCAN FAILED",
    EventType.QUOTA_EXCEED: "PROJECT QUOTA EXCEED",
}
#: What raises these is not there yet.
NOT_YET: Final = frozenset({EventType.SCAN_COMPLETED, EventType.SCAN_FAILED})
#: The rest of what Harbor 2 lets a policy ask for (GET /webhook/events).
OF_HARBOR_ALONE: Final = ("SCANNING_STOPPED", "QUOTA_WARNING", "REPLICATION", "TAG_RETENTION")


def _bare(text: str) -> str:
    """A name by its letters: people write IMAGE PUSH, image_push and Image-Push."""
    return "".join(letter for letter in text.lower() if letter not in " \t_-")


_BY_SPELLING = {
    _bare(name): kind for kind in EventType for name in (kind.value, kind.harbor2, _ON_THE_PAGE[kind])
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
