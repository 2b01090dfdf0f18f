"""When a delivery is tried again. Pure: time and jitter are handed in.

The table stands in docs/delivery.md and is the default of RetrySchedule.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from sidecar.model.delivery import Accepted, AttemptResult, DeliveryState, Rejected, Unreachable

DEFAULT_WAITS_S: Final = (5.0, 30.0, 300.0, 1800.0, 7200.0, 18000.0)
LONGEST_RETRY_AFTER_S: Final = 3600.0
_SPREAD: Final = 0.2  # of a wait, to both sides
_GONE: Final = 410
_SERVER_ERROR: Final = 500


@dataclass(frozen=True, slots=True)
class RetrySchedule:
    """How often and how far apart."""

    max_failures: int = 10  #: attempts that may fail in all, Harbor's webhook_job_max_retry
    waits_s: tuple[float, ...] = DEFAULT_WAITS_S  #: after the n-th failure; the last one repeats

    def wait_s(self, failures: int) -> float:
        return self.waits_s[min(failures, len(self.waits_s)) - 1] if self.waits_s else 0.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a delivery after an attempt."""

    state: DeliveryState
    next_attempt_at: datetime | None = None  #: set exactly when it waits
    is_target_gone: bool = False  #: the target asked never to be sent anything again


def judge(
    result: AttemptResult, *, failures: int, schedule: RetrySchedule, now: datetime, jitter: float
) -> Verdict:
    """What becomes of a delivery.

    failures       attempts that had failed before this one
    jitter         uniform in [0, 1), drawn by the caller

    Source of 410: Standard Webhooks 1.0.0, "Deliverability and reliability".
    """
    match result:
        case Accepted():
            return Verdict(DeliveryState.DELIVERED)
        case Rejected(status) if status == _GONE:
            return Verdict(DeliveryState.GIVEN_UP, is_target_gone=True)
        case Rejected() | Unreachable():
            wish = result.retry_after_s if isinstance(result, Rejected) else None
            is_outage = isinstance(result, Rejected) and result.status >= _SERVER_ERROR
            at = next_attempt_at(
                failures=failures + 1,
                retry_after_s=wish,
                schedule=schedule,
                now=now,
                jitter=jitter,
                may_shorten=not is_outage,
            )
            return Verdict(DeliveryState.WAITING, at) if at else Verdict(DeliveryState.GIVEN_UP)


def next_attempt_at(
    *,
    failures: int,
    retry_after_s: float | None,
    schedule: RetrySchedule,
    now: datetime,
    jitter: float,
    may_shorten: bool = True,
) -> datetime | None:
    """When to try a delivery again, or None when it is given up.

    failures       attempts that have failed so far, >= 1
    retry_after_s  the target's Retry-After; replaces the scheduled wait, since the target knows better,
                   but is never shorter than the first wait and never counted for more than 1 h
    may_shorten    whether it may end a longer wait of the schedule. Not that of a 5xx: who says so at
                   each failure would use up all attempts within minutes of an outage of hours
    jitter         uniform in [0, 1), drawn by the caller

    Source: schedule of docs/delivery.md; Retry-After: RFC 9110 10.2.3; max_failures counts as Harbor's
    job service does (gocraft/work MaxFails: failed attempts in all).
    """
    if failures >= schedule.max_failures:
        return None
    scheduled_s = schedule.wait_s(failures) * (1 - _SPREAD + 2 * _SPREAD * jitter)
    if retry_after_s is None:
        wait_s = scheduled_s
    else:
        asked_s = _asked_wait_s(retry_after_s, schedule.wait_s(1), jitter)
        wait_s = asked_s if may_shorten else max(asked_s, scheduled_s)
    return now + timedelta(seconds=wait_s)


def _asked_wait_s(asked_s: float, shortest_s: float, jitter: float) -> float:
    # Spread to one side only: never earlier than asked.
    spread_s = max(asked_s, shortest_s) * (1 + _SPREAD * jitter)
    return min(spread_s, max(LONGEST_RETRY_AFTER_S, shortest_s))


def parse_retry_after(text: str, *, now: datetime) -> float | None:
    """The seconds that a Retry-After asks for, 0 for a time that has passed; None for anything else.

    Source: RFC 9110 10.2.3 (delay-seconds or HTTP-date); fractions are accepted as some senders use them.
    """
    text = text.strip()
    if text.replace(".", "", 1).isdecimal() and text.isascii():
        return min(float(text), LONGEST_RETRY_AFTER_S)
    try:
        at = parsedate_to_datetime(text)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return min(max((at - now).total_seconds(), 0.0), LONGEST_RETRY_AFTER_S)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
