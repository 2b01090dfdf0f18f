"""One event for one target, and its attempts.

A delivery's bytes are fixed when the event is stored; address, authentication and certificates are
the policy's at the time of each attempt, so correcting a policy also corrects its waiting deliveries.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid5

from sidecar.model.event import Event, EventType


class DeliveryState(StrEnum):
    WAITING = "waiting"  #: to be tried at next_attempt_at
    SENDING = "sending"  #: claimed by a dispatcher
    DELIVERED = "delivered"  #: the target answered 2xx
    GIVEN_UP = "given_up"  #: failed as often as harbor.yml allows
    CANCELLED = "cancelled"  #: its policy was disabled or removed, or webhooks were switched off


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetKey:
    """Which target of which policy; the policy itself is looked up when it is needed."""

    policy_id: str
    target_id: str

    def __str__(self) -> str:
        return f"{self.policy_id}#{self.target_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event for one target."""

    id: UUID
    event_id: UUID
    event_type: EventType
    target: TargetKey
    repository: str  #: full name; deliveries of one repository keep their order
    body: bytes
    content_type: str  #: "" when it is unencoded: its format or template failed
    created_at: datetime  #: UTC
    state: DeliveryState = DeliveryState.WAITING  #: that it is stored with
    reason: str = ""  #: of a delivery that is stored as ended
    position: int = 0  #: of the target in its policy, from 0, when the event was stored; for people
    failures: int = 0  #: attempts that have failed so far
    attempts: int = 0  #: attempts begun so far, failed or not

    @property
    def order_key(self) -> str:
        """Of what must arrive in order."""
        return self.repository


def delivery_id(event: Event, policy_id: str, position: int) -> UUID:
    """The same for the same event and target, so that storing twice stores once.

    position   of the target in its policy: a number that no other delivery of the event has, as every version made ids

    Begins like the event's id: the deliveries of an event are neighbours in the store's index, where a
    thousand scattered ones would be a thousand pages to write.
    """
    own = uuid5(event.id, f"{policy_id}#{position}")
    return UUID(bytes=event.id.bytes[:_NEIGHBOURLY] + own.bytes[_NEIGHBOURLY:])


AWAY_BELOW_500: Final = (408, 429)  #: statuses of a target that is unavailable, besides all 5xx
_NEIGHBOURLY: Final = 3  # bytes: few, since the beginning of an id is what people name it by


@dataclass(frozen=True, slots=True)
class Accepted:
    """The target answered 2xx."""

    status: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """The target answered, but not 2xx."""

    status: int
    retry_after_s: float | None = None  #: requested by the target

    @property
    def is_away(self) -> bool:
        """Whether the target, or a proxy in front of it, is unavailable; otherwise it rejects this delivery."""
        return self.status >= 500 or self.status in AWAY_BELOW_500


@dataclass(frozen=True, slots=True)
class Unreachable:
    """No answer: refused, timed out, bad certificate, address not allowed."""

    reason: str


AttemptResult = Accepted | Rejected | Unreachable


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One POST of one delivery."""

    delivery_id: UUID
    number: int  #: 1 for the first
    started_at: datetime  #: UTC
    duration_ms: float  #: connect to last response byte, or to the failure
    result: AttemptResult
    address: str = ""  #: the IP address and port dialled
    excerpt: str = field(default="")  #: beginning of the answer's body


JSON_TYPE: Final = "application/json"  #: exactly what Harbor sends, without charset


@dataclass(frozen=True, slots=True)
class Payload:
    """The body of a request to a target."""

    body: bytes
    content_type: str = JSON_TYPE
