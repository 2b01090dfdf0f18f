"""What is remembered between exchanges, so that one action becomes one event.

The store keeps it (in the same transaction as the resulting events); detectors base their decisions
on it. Times are UTC. Everything but held events may be forgotten without an event being lost: it only
makes events poorer (a tag not known) or more numerous.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sidecar.model.event import Event
from sidecar.model.exchange import Client
from sidecar.model.names import Digest, Reference, Repository


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownManifest:
    """What is remembered of a manifest."""

    media_type: str
    content_bytes: int  #: manifest, config and layers; children not included
    children: tuple[Digest, ...]
    platforms: tuple[str, ...]  #: of an index; those of nested indexes included as far as known
    is_attached: bool  #: a referrer, signature or attestation: no image of its own


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
    layers: str = ""  #: `preparing.layers_mark` of its manifest
    asked: int = 1  #: how often the manifest was asked for


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


class Memory(Protocol):
    """One transaction's view of what is remembered; implemented by the store."""

    def learn_tag(
        self, repository: Repository, tag: str, digest: Digest, *, at: datetime, pushed: bool = False
    ) -> None:
        """Note what a tag names; `pushed` tells whether it was made to name it right now."""

    def forget_tag(self, repository: Repository, tag: str) -> None: ...

    def forget_digest(self, repository: Repository, digest: Digest) -> None:
        """Drop the manifest and every tag that names it."""

    def tags_of(self, repository: Repository, digest: str) -> tuple[str, ...]:
        """Tags last seen to name the digest, the one last created or moved first."""

    def named_by(self, repository: Repository, tag: str) -> Digest | None:
        """What a tag was last seen to name."""

    def learn_manifest(
        self, repository: Repository, digest: Digest, known: KnownManifest, *, at: datetime
    ) -> None: ...

    def manifest(self, repository: Repository, digest: Digest) -> KnownManifest | None: ...

    def learn_push(self, client: Client, repository: Repository, digest: Digest, *, at: datetime) -> None:
        """Note who pushed a manifest, to tell a read-back from a pull."""

    def pushed_since(
        self, client: Client, repository: Repository, digest: Digest, since: datetime
    ) -> bool: ...

    def learn_resolution(
        self, client: Client, repository: Repository, tag: str, digest: Digest, *, at: datetime
    ) -> None:
        """Note that a client asked what a tag names, without fetching it."""

    def resolved_tag(
        self, client: Client, repository: Repository, digest: str, *, since: datetime, until: datetime
    ) -> str:
        """The tag that a client last resolved to this digest in that time, "" for none."""

    def take_resolved_tag(
        self, client: Client, repository: Repository, digest: str, *, since: datetime, until: datetime
    ) -> str:
        """As `resolved_tag`, of what was not taken yet: each resolution is followed by one fetch."""

    def resolved_on_connection(
        self, client: Client, repository: Repository, digest: str, since: datetime
    ) -> bool:
        """Whether a tag was resolved to the digest on this very connection of the client."""

    def learn_config(self, repository: Repository, digest: Digest, *, at: datetime) -> None:
        """Note that a blob is the config of an image: fetching it is looking."""

    def learn_pulled_children(
        self,
        client: Client,
        repository: Repository,
        children: tuple[Digest, ...],
        *,
        at: datetime,
        since: datetime,
    ) -> None:
        """Note that a client fetched an index once more; what it did before `since` is over."""

    def take_pulled_child(
        self,
        client: Client,
        repository: Repository,
        digest: Digest,
        *,
        at: datetime,
        since: datetime,
        again_since: datetime | None = None,
    ) -> bool:
        """Whether the digest is a child of an index that the client fetched since then.

        A child is taken once for each fetch of its index, by a client that asks several times again as long
        as it was taken after `again_since`. Fetched once more, it is a pull of its own.
        """

    def hold_push(self, held: HeldPush) -> None: ...

    def drop_held_pushes(self, repository: Repository, digests: tuple[Digest, ...]) -> None: ...

    def due_pushes(self, now: datetime) -> tuple[HeldPush, ...]: ...

    def extend_push(self, event_id: UUID, due_at: datetime) -> None: ...

    def last_upload(self, repository: Repository) -> datetime | None:
        """When an upload to the repository was last seen to go on."""

    def hold_pull(self, held: HeldPull) -> None: ...

    def held_pulls(self, client: Client, repository: Repository, digest: Digest) -> tuple[HeldPull, ...]: ...

    def held_pulls_in(self, client: Client, repository: Repository) -> tuple[HeldPull, ...]: ...

    def note_asked_again(self, event_id: UUID) -> None:
        """Count a request as one more for the same pull."""

    def due_pulls(self, now: datetime) -> tuple[HeldPull, ...]: ...

    def hold_no_longer(self, *, pulls_until: datetime, pushes_until: datetime) -> None:
        """Let no held event be due after that."""

    def refused_push(self, client: Client, repository: Repository) -> RefusedPush | None:
        """The last push of the client to the repository that was refused."""

    def keep_refused_push(self, client: Client, repository: Repository, push: RefusedPush) -> None: ...

    def take_ping(self, client: Client, repository: Repository, *, since: datetime, until: datetime) -> bool:
        """Whether a client asked `GET /v2/` in that time, after its push to the repository was refused.

        It says nothing of its user there, nor of a repository: what it does next, in any of them, takes it.
        """

    def learn_question(
        self, client: Client, repository: Repository, what: Reference, *, at: datetime
    ) -> None:
        """Note that a client asked whether a manifest or blob is there."""

    def asked_since(
        self, client: Client, repository: Repository, what: Reference, since: datetime
    ) -> bool: ...

    def release(self, event_id: UUID) -> None:
        """Forget a held event that is being stored or dropped."""
