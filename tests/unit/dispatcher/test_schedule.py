"""When a delivery is tried again."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.dispatcher.schedule import (
    DEFAULT_WAITS_S,
    LONGEST_RETRY_AFTER_S,
    RetrySchedule,
    judge,
    next_attempt_at,
    parse_retry_after,
)
from sidecar.model.delivery import Accepted, AttemptResult, DeliveryState, Rejected, Unreachable

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
jitters = st.floats(0, 1, exclude_max=True)
schedules = st.builds(
    RetrySchedule, st.integers(1, 50), st.lists(st.floats(0.01, 90_000), min_size=1, max_size=8).map(tuple)
)


def wait_s(failures: int, *, asked: float | None = None, jitter: float = 0.5) -> float:
    at = next_attempt_at(
        failures=failures, retry_after_s=asked, schedule=RetrySchedule(), now=NOW, jitter=jitter
    )
    assert at is not None
    return (at - NOW).total_seconds()


def test_default_waits_are_those_of_the_documentation() -> None:
    waits = [wait_s(failures) for failures in range(1, 10)]
    assert waits == [5, 30, 300, 1800, 7200, 18000, 18000, 18000, 18000]


def test_tenth_failure_is_the_last() -> None:
    schedule = RetrySchedule()
    assert next_attempt_at(failures=10, retry_after_s=None, schedule=schedule, now=NOW, jitter=0) is None


def test_one_failure_allowed_means_one_attempt() -> None:
    schedule = RetrySchedule(max_failures=1)
    assert next_attempt_at(failures=1, retry_after_s=1.0, schedule=schedule, now=NOW, jitter=0) is None


@given(st.integers(1, 60), schedules, jitters)
def test_wait_stays_within_a_fifth_of_the_schedule(
    failures: int, schedule: RetrySchedule, jitter: float
) -> None:
    at = next_attempt_at(failures=failures, retry_after_s=None, schedule=schedule, now=NOW, jitter=jitter)
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
    assert waited >= min(asked, LONGEST_RETRY_AFTER_S) - 1e-6
    assert waited <= LONGEST_RETRY_AFTER_S


def test_retry_after_shortens_a_long_wait() -> None:
    assert wait_s(6, asked=120, jitter=0) == 120


@pytest.mark.parametrize(("status", "expected"), [(429, 120), (400, 120), (503, 18000), (500, 18000)])
def test_an_outage_does_not_use_up_the_attempts_however_soon_it_asks_to_be_tried(
    status: int, expected: float
) -> None:
    verdict = judge(
        Rejected(status, 120.0), failures=6, schedule=RetrySchedule(max_failures=10), now=NOW, jitter=0.5
    )
    assert verdict.next_attempt_at
    waited_s = (verdict.next_attempt_at - NOW).total_seconds()
    assert waited_s == pytest.approx(expected, rel=0.2)


def test_a_first_wait_of_hours_is_not_made_shorter() -> None:
    schedule = RetrySchedule(waits_s=(7200.0,))
    at = next_attempt_at(failures=1, retry_after_s=1.0, schedule=schedule, now=NOW, jitter=0.5)
    assert at == NOW + timedelta(seconds=7200)


def test_retry_after_zero_does_not_hammer() -> None:
    assert wait_s(1, asked=0, jitter=0) == DEFAULT_WAITS_S[0]


@given(st.text(max_size=40))
def test_any_retry_after_is_seconds_within_bounds_or_nothing(text: str) -> None:
    parsed = parse_retry_after(text, now=NOW)
    assert parsed is None or 0 <= parsed <= LONGEST_RETRY_AFTER_S


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(9999, 1, 1)))  # noqa: DTZ001
def test_any_http_date_is_seconds_within_bounds(moment: datetime) -> None:
    text = format_datetime(moment.replace(tzinfo=UTC), usegmt=True)
    parsed = parse_retry_after(text, now=NOW)
    assert parsed is not None
    assert 0 <= parsed <= LONGEST_RETRY_AFTER_S


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("1.5", 1.5),
        ("9" * 400, 3600),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90),
        ("Friday, 02-Jan-26 03:05:05 GMT", 60),
        ("Fri, 02 Jan 2026 03:04:00 GMT", 0),
        ("Fri, 02 Jan 2026 05:04:05 +0200", 0),
        ("-1", None),
        ("", None),
        (".", None),
        ("soon", None),
        ("١٢", None),
        ("Fri, 99 Jan 2026 99:99:99 GMT", None),
    ],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    assert parse_retry_after(text, now=NOW) == seconds


@pytest.mark.parametrize(
    ("result", "failures", "state"),
    [
        (Accepted(204), 0, DeliveryState.DELIVERED),
        (Accepted(200), 9, DeliveryState.DELIVERED),
        (Rejected(500), 0, DeliveryState.WAITING),
        (Rejected(400), 0, DeliveryState.WAITING),
        (Rejected(302), 8, DeliveryState.WAITING),
        (Rejected(500), 9, DeliveryState.GIVEN_UP),
        (Rejected(410), 0, DeliveryState.GIVEN_UP),
        (Unreachable("refused"), 0, DeliveryState.WAITING),
        (Unreachable("refused"), 9, DeliveryState.GIVEN_UP),
    ],
)
def test_verdict(result: AttemptResult, failures: int, state: DeliveryState) -> None:
    verdict = judge(result, failures=failures, schedule=RetrySchedule(), now=NOW, jitter=0.5)
    assert verdict.state is state
    assert (verdict.next_attempt_at is not None) == (state is DeliveryState.WAITING)
    assert verdict.is_target_gone == (result == Rejected(410))
