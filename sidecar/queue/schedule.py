"""When a job is tried again. Pure: time and jitter are handed in.

The table stands in docs/delivery.md and is the default of RetrySchedule.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sidecar.model.defaults import MAX_RETRY, RETRY_WAITS_S

LONGEST_ASKED_S: Final = 3600.0
_SPREAD: Final = 0.2  # of a wait, to both sides


@dataclass(frozen=True, slots=True)
class RetrySchedule:
    """How often and how far apart."""

    max_failures: int = MAX_RETRY  #: attempts that may fail in all, Harbor's webhook_job_max_retry
    waits_s: tuple[float, ...] = RETRY_WAITS_S  #: after the n-th failure; the last one repeats

    def wait_s(self, failures: int) -> float:
        return self.waits_s[min(failures, len(self.waits_s)) - 1] if self.waits_s else 0.0


def next_attempt_at(
    *,
    failures: int,
    asked_s: float | None,
    schedule: RetrySchedule,
    now: datetime,
    jitter: float,
    may_shorten: bool = True,
) -> datetime | None:
    """When to try a job again, or None when it is given up.

    failures       attempts that have failed so far, >= 1
    asked_s        what the other side asked to wait; replaces the scheduled wait, since it knows better,
                   but is never shorter than the first wait and never counted for more than 1 h
    may_shorten    whether it may end a longer wait of the schedule
    jitter         uniform in [0, 1), drawn by the caller

    Source: schedule of docs/delivery.md; max_failures counts as Harbor's job service does (gocraft/work
    MaxFails: failed attempts in all).
    """
    if failures >= schedule.max_failures:
        return None
    scheduled_s = schedule.wait_s(failures) * (1 - _SPREAD + 2 * _SPREAD * jitter)
    if asked_s is None:
        wait_s = scheduled_s
    else:
        longer_s = _asked_wait_s(asked_s, schedule.wait_s(1), jitter)
        wait_s = longer_s if may_shorten else max(longer_s, scheduled_s)
    return now + timedelta(seconds=wait_s)


def _asked_wait_s(asked_s: float, shortest_s: float, jitter: float) -> float:
    # Spread to one side only: never earlier than asked.
    spread_s = max(asked_s, shortest_s) * (1 + _SPREAD * jitter)
    return min(spread_s, max(LONGEST_ASKED_S, shortest_s))
