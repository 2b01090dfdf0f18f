"""One request with its response: everything that a detector gets.

Bodies are copied only where a detector needs them (manifests, bounded); others are only relayed.
A response can be complete before its request is: an upstream may refuse an upload half-way.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from sidecar.model.event import Chart
from sidecar.model.manifest import Manifest
from sidecar.model.names import Digest
from sidecar.model.operation import Operation, WriteOperation

#: A larger manifest is not kept in its intent: after a crash the registry has it, or never got it.
LARGEST_NOTED_BYTES: Final = 64 * 1024


#: The user agent of Harbor's own client: its fetches are no pulls, in Harbor's events and counts.
#: Source: Harbor src/server/registry/manifest.go, lib.UserAgent of its registry client.
HARBOR_CLIENT: Final = "harbor-registry-client"


class Outcome(StrEnum):
    """How an exchange ended; exactly one."""

    COMPLETED = "completed"  #: the client got the whole response of the upstream
    CLIENT_GONE = "client_gone"  #: the client left before it had the whole response
    UPSTREAM_FAILED = "upstream_failed"  #: no response, or a truncated one


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Who made the request. Equal clients may be several processes, behind one address or on one host.

    A connection belongs to one process, but a process may have many: docker and skopeo open a new one for
    each request. So it does not count for equality.
    """

    address: str
    operator: str  #: "" when anonymous
    user_agent: str
    #: Equal for requests at about the same time on one connection. "" when not known: an outer proxy
    #: sends the requests of many clients over one.
    connection: str = field(default="", compare=False)

    def shares_connection(self, other: "Client") -> bool:
        """Whether both are certainly the same process."""
        return self == other and self.connection == other.connection != ""


@dataclass(frozen=True, slots=True)
class Body:
    """A bounded copy of a body with its Content-Type."""

    content: bytes
    content_type: str


#: Of a refusal's body, encoded and decoded; the reason is at its beginning.
LARGEST_REFUSAL_BYTES: Final = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The upstream's response when it refused a write."""

    content: bytes  #: the beginning of its body, decoded
    content_type: str
    names_retry: bool = False  #: whether there is a Retry-After


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What only the upstream knows about a write, such as the tags of a manifest that is about to be deleted.

    Looked up before the request is forwarded, with the client's own credentials and a time limit; everything here
    may be missing.
    """

    existed: bool | None = None  #: whether the object of a delete was there; None when not known
    digest: Digest | None = None  #: of the tag or manifest that is to be deleted
    tags: tuple[str, ...] = ()  #: that named that digest, according to the upstream
    other_tags: frozenset[str] = (
        frozenset()
    )  #: that named something else or nothing, according to the upstream
    manifest: Manifest | None = None  #: the manifest that is to be deleted
    children: Mapping[Digest, Manifest] = field(default_factory=dict)  #: manifests that an index names
    platforms: Mapping[Digest, str] = field(default_factory=dict)  #: of children whose descriptor has none
    chart: Chart | None = None  #: of a chart that is to be deleted, or of an OCI chart


class Remembered(StrEnum):
    """What is remembered of the state before a write."""

    NOTHING = "nothing"
    MANIFEST = "manifest"  #: the manifest of a PUT was there; its tag named another, or is unknown
    REFERENCE = "reference"  #: the reference named the manifest of the PUT; the object of a delete was there


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A write operation that is about to be forwarded.

    It contains what is needed to find out after a crash whether the upstream accepted it, and to derive
    the event that it would have raised.
    """

    id: UUID  #: the exchange's id; the ids of its events derive from it
    operation: WriteOperation
    client: Client
    opened_at: datetime  #: UTC
    request_body: Body | None = None  #: the manifest that is PUT, unless it is large
    content_digest: Digest | None = None  #: sha256 of the manifest that is PUT, once all of it has come
    facts: Facts = field(default_factory=Facts)
    #: Sizes of what may be the uploaded .tgz, by its sha256; noted before the last bytes are forwarded.
    chart_sizes: Mapping[Digest, int] = field(default_factory=dict)
    request_id: str = ""
    remembered: Remembered = Remembered.NOTHING  #: noted by the store


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A finished exchange."""

    id: UUID  #: the intent's id for a write operation
    operation: Operation
    client: Client
    began_at: datetime  #: UTC, when the client's request came
    answered_at: datetime  #: UTC, when the upstream's response head came
    status: int  #: the upstream's
    outcome: Outcome
    content_digest: Digest | None = None  #: Docker-Content-Digest of the response
    oci_tags: tuple[str, ...] = ()  #: tags that a PUT by digest created (OCI-Tag of the response)
    manifest: Manifest | None = None  #: that was PUT, fetched or deleted; None when not known or understood
    #: The response depends on the types that the client accepts: it does not show what a tag names.
    depends_on_accept: bool = False
    refusal: Refusal | None = None  #: of a write that was refused
    chart: Chart | None = None  #: that was uploaded or downloaded; its name is "" if unknown
    facts: Facts = field(default_factory=Facts)
    request_id: str = ""

    @property
    def succeeded(self) -> bool:
        return 200 <= self.status < 300
