"""When a job is tried again."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.defaults import RETRY_WAITS_S
from sidecar.queue.schedule import (
    LONGEST_ASKED_S,
    RetrySchedule,
    next_attempt_at,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
jitters = st.floats(0, 1, exclude_max=True)
schedules = st.builds(
    RetrySchedule, st.integers(1, 50), st.lists(st.floats(0.01, 90_000), min_size=1, max_size=8).map(tuple)
)


def wait_s(failures: int, *, asked: float | None = None, jitter: float = 0.5) -> float:
    at = next_attempt_at(failures=failures, asked_s=asked, schedule=RetrySchedule(), now=NOW, jitter=jitter)
    assert at is not None
    return (at - NOW).total_seconds()


def test_default_waits_are_those_of_the_documentation() -> None:
    waits = [wait_s(failures) for failures in range(1, 10)]
    assert waits == [5, 30, 300, 1800, 7200, 18000, 18000, 18000, 18000]


def test_tenth_failure_is_the_last() -> None:
    schedule = RetrySchedule()
    assert next_attempt_at(failures=10, asked_s=None, schedule=schedule, now=NOW, jitter=0) is None


def test_one_failure_allowed_means_one_attempt() -> None:
    schedule = RetrySchedule(max_failures=1)
    assert next_attempt_at(failures=1, asked_s=1.0, schedule=schedule, now=NOW, jitter=0) is None


@given(st.integers(1, 60), schedules, jitters)
def test_wait_stays_within_a_fifth_of_the_schedule(
    failures: int, schedule: RetrySchedule, jitter: float
) -> None:
    at = next_attempt_at(failures=failures, asked_s=None, schedule=schedule, now=NOW, jitter=jitter)
    if failures >= schedule.max_failures:
        assert at is None
        return
    assert at is not None
    scheduled = schedule.wait_s(failures)
    assert 0.799 * scheduled <= (at - NOW).total_seconds() + 1e-6
    assert (at - NOW).total_seconds() <= 1.201 * scheduled + 1e-6


@given(st.floats(0, 1e9), st.integers(1, 9), jitters)
def test_never_earlier_than_asked_nor_later_than_an_hour(asked: float, failures: int, jitter: float) -> None:
    waited = wait_s(failures, asked=asked, jitter=jitter)
    assert waited >= min(asked, LONGEST_ASKED_S) - 1e-6
    assert waited <= LONGEST_ASKED_S


def test_what_is_asked_shortens_a_long_wait() -> None:
    assert wait_s(6, asked=120, jitter=0) == 120


def test_a_first_wait_of_hours_is_not_made_shorter() -> None:
    schedule = RetrySchedule(waits_s=(7200.0,))
    at = next_attempt_at(failures=1, asked_s=1.0, schedule=schedule, now=NOW, jitter=0.5)
    assert at == NOW + timedelta(seconds=7200)


def test_asking_for_zero_does_not_hammer() -> None:
    assert wait_s(1, asked=0, jitter=0) == RETRY_WAITS_S[0]
