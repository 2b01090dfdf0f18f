"""What becomes of a delivery, and what an answer says of its target."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.dispatcher.decision import decide, outcome_of, parse_retry_after
from sidecar.model.delivery import Accepted, AttemptResult, DeliveryState, Rejected, Unreachable
from sidecar.queue.circuit_breaker import AttemptOutcome
from sidecar.queue.schedule import LONGEST_ASKED_S, RetrySchedule

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("outcome", "results"),
    [
        (AttemptOutcome.SUCCEEDED, (Accepted(200), Accepted(204))),
        (
            AttemptOutcome.AWAY,
            (Unreachable("refused"), Rejected(500), Rejected(503, 60.0), Rejected(429), Rejected(408)),
        ),
        (
            AttemptOutcome.DECLINED,
            (Rejected(400), Rejected(401), Rejected(404), Rejected(301), Rejected(410)),
        ),
    ],
)
def test_a_target_is_away_when_it_takes_nothing_and_not_when_it_declines_one_delivery(
    outcome: AttemptOutcome, results: tuple[AttemptResult, ...]
) -> None:
    assert {outcome_of(result) for result in results} == {outcome}


@pytest.mark.parametrize(("status", "expected"), [(429, 120), (400, 120), (503, 18000), (500, 18000)])
def test_an_outage_does_not_use_up_the_attempts_however_soon_it_asks_to_be_tried(
    status: int, expected: float
) -> None:
    decision = decide(
        Rejected(status, 120.0), failures=6, schedule=RetrySchedule(max_failures=10), now=NOW, jitter=0.5
    )
    assert decision.next_attempt_at
    waited_s = (decision.next_attempt_at - NOW).total_seconds()
    assert waited_s == pytest.approx(expected, rel=0.2)


@given(st.text(max_size=40))
def test_any_retry_after_is_seconds_within_bounds_or_nothing(text: str) -> None:
    parsed = parse_retry_after(text, now=NOW)
    assert parsed is None or 0 <= parsed <= LONGEST_ASKED_S


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(9999, 1, 1)))  # noqa: DTZ001
def test_any_http_date_is_seconds_within_bounds(moment: datetime) -> None:
    text = format_datetime(moment.replace(tzinfo=UTC), usegmt=True)
    parsed = parse_retry_after(text, now=NOW)
    assert parsed is not None
    assert 0 <= parsed <= LONGEST_ASKED_S


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
def test_decision(result: AttemptResult, failures: int, state: DeliveryState) -> None:
    decision = decide(result, failures=failures, schedule=RetrySchedule(), now=NOW, jitter=0.5)
    assert decision.state is state
    assert (decision.next_attempt_at is not None) == (state is DeliveryState.WAITING)
    assert decision.is_target_gone == (result == Rejected(410))
