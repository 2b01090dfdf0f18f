"""What is to be remembered, and forgotten, after an exchange: plain values that the store writes as they are.

Each says how a thing is from now on, not how to get there; whoever made it has read what was there before, in the same
transaction.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sidecar.model.delivery import Delivery
from sidecar.model.event import Event
from sidecar.model.exchange import Client, Intent
from sidecar.model.memory import HeldPull, HeldPush, KnownManifest, RefusedPush, SeenTag, Trace
from sidecar.model.names import Digest, Repository


@dataclass(frozen=True, slots=True)
class TagLearnt:
    repository: Repository
    tag: str
    seen: SeenTag


@dataclass(frozen=True, slots=True)
class TagForgotten:
    repository: Repository
    tag: str


@dataclass(frozen=True, slots=True)
class DigestForgotten:
    """A manifest is gone, with every tag that names it."""

    repository: Repository
    digest: Digest


@dataclass(frozen=True, slots=True)
class ManifestLearnt:
    repository: Repository
    digest: Digest
    known: KnownManifest
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class TraceLeft:
    """One that was not there."""

    trace: Trace


@dataclass(frozen=True, slots=True)
class TraceChanged:
    """Another time, or taken: whose it is and what it is about stay."""

    before: Trace
    after: Trace


@dataclass(frozen=True, slots=True)
class PushHeld:
    held: HeldPush


@dataclass(frozen=True, slots=True)
class PullHeld:
    held: HeldPull


@dataclass(frozen=True, slots=True)
class Released:
    """A held event is being stored, or turned out to be none."""

    event_id: UUID


@dataclass(frozen=True, slots=True)
class AskedAgain:
    """One request more for the same held pull."""

    event_id: UUID


@dataclass(frozen=True, slots=True)
class DueLater:
    """A held event waits until then."""

    event_id: UUID
    due_at: datetime


@dataclass(frozen=True, slots=True)
class HeldNoLonger:
    """No held event is due after that."""

    pulls_until: datetime
    pushes_until: datetime


@dataclass(frozen=True, slots=True)
class PushRefused:
    client: Client
    repository: Repository
    push: RefusedPush


@dataclass(frozen=True, slots=True)
class PingsTaken:
    """`GET /v2/` of a client in that time says nothing any more, in whatever repository."""

    client: Client
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class RepositorySeen:
    """For the first time."""

    repository: Repository
    at: datetime


Change = (
    TagLearnt
    | TagForgotten
    | DigestForgotten
    | ManifestLearnt
    | TraceLeft
    | TraceChanged
    | PushHeld
    | PullHeld
    | Released
    | AskedAgain
    | DueLater
    | HeldNoLonger
    | PushRefused
    | PingsTaken
    | RepositorySeen
)
Changes = tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Detected:
    """What a detector answers."""

    events: tuple[Event, ...] = ()
    changes: Changes = ()


@dataclass(frozen=True, slots=True)
class Raised:
    """An event that somebody wants, and its deliveries."""

    event: Event
    deliveries: tuple[Delivery, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """All that is written for one exchange, in one transaction."""

    changes: Changes = ()
    raised: tuple[Raised, ...] = ()
    next_attempt_at: datetime | None = None  #: of the deliveries; set where there are any
    opens: Intent | None = None
    run: str = ""  #: of the process that opens it
    closes: UUID | None = None  #: an intent whose exchange has been recorded
    disowns: UUID | None = None  #: an intent that is left to the reconciler
