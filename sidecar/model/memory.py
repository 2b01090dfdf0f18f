"""What is remembered between exchanges, so that one action becomes one event.

A detector is given a `Snapshot`: what the store remembers of exactly the things that a `Scope` names, read at once. It
returns events and changes (`model.changes`), all of them values. Times are UTC. Everything but held events may be
forgotten without an event being lost: it only makes events poorer (a tag not known) or more numerous.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sidecar.model.event import Event
from sidecar.model.exchange import Client
from sidecar.model.names import Digest, Repository


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownManifest:
    """What is remembered of a manifest."""

    media_type: str
    content_bytes: int  #: manifest, config and layers; children not included
    children: tuple[Digest, ...]
    platforms: tuple[str, ...]  #: of an index; those of nested indexes included as far as known
    is_attached: bool  #: a referrer, signature or attestation: no image of its own


@dataclass(frozen=True, slots=True)
class SeenManifest:
    known: KnownManifest
    seen_at: datetime  #: when it was last noted


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenTag:
    """What a tag was last seen to name."""

    digest: Digest
    seen_at: datetime
    moved_at: datetime | None = None  #: when it was made to name it; None when nobody saw that


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalled:
    """What is remembered of a manifest that is to be deleted."""

    tags: tuple[str, ...] = ()  #: that named it, the one last created or moved first
    is_whole: bool = False  #: whether its size is known, children included


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPush:
    """A push by digest that waits for the index or tag that it may belong to."""

    event: Event
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPull:
    """A pull that waits for an action that it may belong to: a delete, a re-tag, a repetition."""

    event: Event
    client: Client
    due_at: datetime
    needs_blob: bool  #: a read-back of something just pushed: a pull only if blobs are fetched
    blob_fetched: bool = False
    layer_fetched: bool = False  #: a blob other than a config: a mere lookup fetches none
    layers: str = ""  #: `preparing.layers_fingerprint` of its manifest
    asked: int = 1  #: how often the manifest was asked for


class TraceKind(StrEnum):
    """What a client did a moment ago."""

    PUSHED = "pushed"  #: a manifest; tells a read-back from a pull
    RESOLVED = "resolved"  #: asked what a tag names, without fetching it
    CHILD = "child"  #: fetched an index that names the digest
    ASKED = "asked"  #: whether a manifest or blob is there
    CONFIG = "config"  #: of no client: a blob that is the config of an image, so that fetching it is looking


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One thing that a client did a moment ago; pruned by age."""

    kind: TraceKind
    client: Client | None  #: with its connection; None of CONFIG
    repository: Repository
    digest: str  #: of ASKED perhaps a tag
    tag: str = ""  #: of RESOLVED
    seen_at: datetime
    untaken: int = 1  #: of CHILD: fetches of its index that no fetch of the child has followed yet
    taken_at: datetime | None = None  #: when a fetch that follows was last put down to it


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedPush:
    """A push that an upstream refused for lack of storage; one event was raised for it."""

    refused_at: datetime  #: the last time
    until: datetime  #: what its client begins in the repository by then is the same push, going on
    since: datetime  #: what was asked for by then was asked for in an earlier push
    opened_at: datetime | None  #: when its client was seen to begin another one, which was not refused yet
    status: int  #: of the refusals; the one after which clients pause for longest
    what: str  #: the tag, or name and version of a chart, as far as refused requests said it
    connection: str  #: of the last refused request


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a snapshot is to cover: of one client in one repository, as far as something is named here."""

    repository: Repository
    client: Client | None = None
    tags: tuple[str, ...] = ()  #: what they name
    digests: tuple[str, ...] = ()  #: their manifests
    deep: bool = False  #: the manifests, too, that these name, two levels down
    meant_tag: str = ""  #: what it names is one of `digests`
    tags_of: str = ""  #: the tags that name this digest
    traces: tuple[tuple[TraceKind, str], ...] = ()  #: of these kinds and digests
    pulls_of: tuple[str, ...] = ()  #: the client's held pulls of these digests
    all_pulls: bool = False  #: the client's held pulls in the repository
    manifests_of_pulls: bool = False  #: the manifests of these pulls
    pushes: bool = False  #: held pushes of `digests` and of all below them, by whomever
    is_dated: bool = False  #: when the repository was first seen
    refused_in: Repository | None = None  #: where the client's last refused push is looked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What is remembered of a scope."""

    named: Mapping[str, SeenTag] = field(default_factory=dict)  #: by tag
    tags: tuple[str, ...] = ()  #: of `Scope.tags_of`, the one last created or moved first
    manifests: Mapping[str, SeenManifest] = field(default_factory=dict)  #: by digest
    traces: tuple[Trace, ...] = ()
    held_pulls: tuple[HeldPull, ...] = ()  #: the one that is due first comes first
    held_pushes: Mapping[UUID, str] = field(default_factory=dict)  #: digest by event
    refused_push: RefusedPush | None = None
    pinged_at: datetime | None = None  #: when the agent of that push asked `GET /v2/`, and nothing since
    pings: tuple[datetime, ...] = ()  #: the same of any push of the client's agent
    created_at: Mapping[str, datetime] = field(
        default_factory=dict
    )  #: first sight of a repository, by full name

    def manifest(self, digest: str) -> KnownManifest | None:
        found = self.manifests.get(digest)
        return found.known if found else None

    def named_by(self, tag: str) -> Digest | None:
        found = self.named.get(tag)
        return found.digest if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldSnapshot:
    """Held events whose time may have come, with what decides about them."""

    pushes: tuple[HeldPush, ...] = ()  #: the one that is due first comes first; so with pulls
    pulls: tuple[HeldPull, ...] = ()
    traces: tuple[Trace, ...] = ()  #: RESOLVED and CHILD, of the clients and digests of the pulls
    uploaded_at: Mapping[str, datetime] = field(
        default_factory=dict
    )  #: when an upload last went on, by full name
    created_at: Mapping[str, datetime] = field(default_factory=dict)  #: as in `Snapshot`
