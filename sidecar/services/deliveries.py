"""Lists and shows deliveries, with their attempts and results."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sidecar.config import Settings
from sidecar.model.delivery import DeliveryState
from sidecar.model.errors import NotFound, RequestInvalid
from sidecar.services.away import away_targets
from sidecar.services.database import history_of
from sidecar.services.shown import away_document, rfc3339
from sidecar.store.away import AwayTarget
from sidecar.store.history import FAILED, Chosen, History, RecordedAttempt, RecordedDelivery

FAILED_WORD: Final = "failed"  #: the states of deliveries that ended without being accepted
_SHORTEST_BEGINNING: Final = 4
_BEGINNING_OF_AN_ID: Final = re.compile(rf"[0-9a-fA-F-]{{{_SHORTEST_BEGINNING},36}}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryStatus:
    """The current state of a delivery."""

    recorded: RecordedDelivery
    position: int  #: of its target in the policy, from 0; where it was removed, when the event was stored
    away: AwayTarget | None  #: its target, while that is away

    @property
    def waits_for_target(self) -> AwayTarget | None:
        """The target that it waits for."""
        return self.away if self.recorded.state is DeliveryState.WAITING else None

    def next_attempt_at(self, *, now: datetime) -> datetime | None:
        """The earliest time at which it is sent; None when it is not waiting, or already due."""
        if self.recorded.state is not DeliveryState.WAITING or self.recorded.next_attempt_at is None:
            return None
        due = self.recorded.next_attempt_at
        at = max(due, self.away.until) if self.away else due
        return at if at > now else None


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeDelivery:
    """A delivery in full detail."""

    status: DeliveryStatus
    attempts: list[RecordedAttempt]  #: in order
    body: bytes  #: b"" where its template failed

    @property
    def headers(self) -> Mapping[str, str]:
        return identity_headers(self.status.recorded)


def states_named(word: str | None) -> tuple[DeliveryState, ...]:
    """The states that a filter's word means, () for all; raises RequestInvalid."""
    if word is None:
        return ()
    if word == FAILED_WORD:
        return FAILED
    try:
        return (DeliveryState(word),)
    except ValueError:
        known = ", ".join([*DeliveryState, FAILED_WORD])
        raise RequestInvalid(f"{word!r} is none of {known}.") from None


def list_deliveries(settings: Settings, chosen: Chosen, *, limit: int) -> list[DeliveryStatus]:
    """The newest that match, newest first; raises StoreUnavailable. Blocks on the database."""
    with history_of(settings) as history:
        away = away_targets(settings, history)
        return [
            DeliveryStatus(
                recorded=recorded, position=_position(settings, recorded), away=away.get(recorded.target)
            )
            for recorded in history.deliveries(chosen, limit=limit)
        ]


def _position(settings: Settings, recorded: RecordedDelivery) -> int:
    for policy in settings.policies:
        if policy.id == recorded.target.policy_id and recorded.target.target_id in policy.target_ids:
            return policy.target_ids.index(recorded.target.target_id)
    return recorded.position


def show_delivery(settings: Settings, beginning: str) -> WholeDelivery:
    """The delivery whose id begins like that.

    Raises NotFound, RequestInvalid when that is too short or ambiguous, StoreUnavailable. Blocks on the
    database.
    """
    with history_of(settings) as history:
        identity = resolve(history, beginning)
        recorded = history.delivery(identity)
        if recorded is None:  # pruned in the meantime
            raise NotFound(_no_delivery(beginning))
        away = away_targets(settings, history).get(recorded.target)
        return WholeDelivery(
            status=DeliveryStatus(recorded=recorded, position=_position(settings, recorded), away=away),
            attempts=history.attempts(identity),
            body=history.body(identity),
        )


def resolve(history: History, beginning: str) -> UUID:
    """The id that begins like that; raises NotFound, RequestInvalid."""
    if len(beginning) < _SHORTEST_BEGINNING:
        raise RequestInvalid(f"{beginning} is too short: at least {_SHORTEST_BEGINNING} characters of an id.")
    found = history.named(beginning) if _BEGINNING_OF_AN_ID.fullmatch(beginning) else []
    match found:
        case [identity]:
            return identity
        case []:
            raise NotFound(_no_delivery(beginning))
        case _:
            raise RequestInvalid(f"Several deliveries have ids that begin with {beginning}.")


def _no_delivery(beginning: str) -> str:
    return f"No delivery has an id that begins with {beginning}."


def identity_headers(delivery: RecordedDelivery) -> dict[str, str]:
    """The headers by which a receiver can identify it; no secrets."""
    event_id = str(delivery.event_id)
    return {
        "Content-Type": delivery.content_type,
        "webhook-id": event_id,
        "X-Sidecar-Event-Id": event_id,
        "X-Sidecar-Delivery-Id": str(delivery.id),
        "X-Sidecar-Attempt": str(max(delivery.attempts, 1)),
    }


def payload_of(body: bytes) -> Any:
    """A body as a value where it is JSON, else as text."""
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")


def delivery_document(status: DeliveryStatus, *, now: datetime) -> dict[str, Any]:
    recorded = status.recorded
    return {
        "id": str(recorded.id),
        "event_id": str(recorded.event_id),
        "event_type": recorded.event_type,
        "policy": recorded.target.policy_id,
        "target": status.position,
        "project": recorded.project,
        "repository": recorded.repository,
        "state": recorded.state,
        "reason": recorded.reason,
        "created_at": rfc3339(recorded.created_at),
        "finished_at": rfc3339(recorded.finished_at),
        "next_attempt_at": rfc3339(status.next_attempt_at(now=now)),
        "target_away": away_document(status.away),
        "failures": recorded.failures,
        "attempt_count": recorded.attempts,
        "last_attempt": _attempt_document(recorded.last_attempt) if recorded.last_attempt else None,
    }


def whole_delivery_document(whole: WholeDelivery, *, now: datetime) -> dict[str, Any]:
    return {
        **delivery_document(whole.status, now=now),
        "headers": whole.headers,
        "payload": payload_of(whole.body),
        "attempts": [_attempt_document(attempt) for attempt in whole.attempts],
    }


def _attempt_document(attempt: RecordedAttempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "started_at": rfc3339(attempt.started_at),
        "duration_ms": round(attempt.duration_ms, 1),
        "status": attempt.status,
        "address": attempt.address,
        "error": attempt.error,
        "excerpt": attempt.excerpt,
        "retry_after_s": attempt.retry_after_s,
    }
