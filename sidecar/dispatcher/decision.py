"""What becomes of a delivery after an attempt. Pure: time and jitter are handed in."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from sidecar.model.delivery import Accepted, AttemptResult, DeliveryState, Rejected, Unreachable
from sidecar.queue.circuit_breaker import AttemptOutcome
from sidecar.queue.schedule import LONGEST_ASKED_S, RetrySchedule, next_attempt_at

_GONE: Final = 410
_SERVER_ERROR: Final = 500


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a delivery."""

    state: DeliveryState
    next_attempt_at: datetime | None = None  #: set exactly when it waits
    is_target_gone: bool = False  #: the target asked never to be sent anything again


def outcome_of(result: AttemptResult) -> AttemptOutcome:
    """What an answer says of the target."""
    if isinstance(result, Accepted):
        return AttemptOutcome.SUCCEEDED
    return (
        AttemptOutcome.DECLINED
        if isinstance(result, Rejected) and not result.is_away
        else AttemptOutcome.AWAY
    )


def decide(
    result: AttemptResult, *, failures: int, schedule: RetrySchedule, now: datetime, jitter: float
) -> Decision:
    """What becomes of a delivery.

    failures       attempts that had failed before this one
    jitter         uniform in [0, 1), drawn by the caller

    Retry-After (RFC 9110 10.2.3) may end a longer wait of the schedule, but not that of a 5xx: who says so
    at each failure would use up all attempts within minutes of an outage of hours.

    Source of 410: Standard Webhooks 1.0.0, "Deliverability and reliability".
    """
    match result:
        case Accepted():
            return Decision(DeliveryState.DELIVERED)
        case Rejected(status) if status == _GONE:
            return Decision(DeliveryState.GIVEN_UP, is_target_gone=True)
        case Rejected() | Unreachable():
            at = next_attempt_at(
                failures=failures + 1,
                asked_s=result.retry_after_s if isinstance(result, Rejected) else None,
                schedule=schedule,
                now=now,
                jitter=jitter,
                may_shorten=not (isinstance(result, Rejected) and result.status >= _SERVER_ERROR),
            )
            return Decision(DeliveryState.WAITING, at) if at else Decision(DeliveryState.GIVEN_UP)


def parse_retry_after(text: str, *, now: datetime) -> float | None:
    """The seconds that a Retry-After asks for, 0 for a time that has passed; None for anything else.

    Source: RFC 9110 10.2.3 (delay-seconds or HTTP-date); fractions are accepted as some senders use them.
    """
    text = text.strip()
    if text.replace(".", "", 1).isdecimal() and text.isascii():
        return min(float(text), LONGEST_ASKED_S)
    try:
        at = parsedate_to_datetime(text)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return min(max((at - now).total_seconds(), 0.0), LONGEST_ASKED_S)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
