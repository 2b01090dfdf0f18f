"""When a target is back, and since when it was away."""

from datetime import UTC, datetime, timedelta

from sidecar.queue.circuit_breaker import (
    LONGEST_PAUSE_S,
    SHORTEST_S,
    AttemptOutcome,
    CircuitBreaker,
    Recovery,
)
from tests.support.builders import START


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def note(breaker: CircuitBreaker, outcome: AttemptOutcome, *, at: datetime) -> Recovery | None:
    now_s = (at - START).total_seconds()
    return breaker.note(outcome, began_s=now_s, ended_s=now_s, at=at)


def test_it_is_back_with_the_first_success_after_a_while() -> None:
    breaker = CircuitBreaker()
    assert note(breaker, AttemptOutcome.SUCCEEDED, at=at(0)) is None
    assert note(breaker, AttemptOutcome.AWAY, at=at(10)) is None
    assert note(breaker, AttemptOutcome.AWAY, at=at(3000)) is None
    assert note(breaker, AttemptOutcome.SUCCEEDED, at=at(3600)) == Recovery(
        away_since=at(0), back_at=at(3600)
    )
    assert note(breaker, AttemptOutcome.SUCCEEDED, at=at(9999)) is None


def test_a_short_absence_is_left_to_the_schedule() -> None:
    breaker = CircuitBreaker()
    note(breaker, AttemptOutcome.AWAY, at=at(0))
    assert note(breaker, AttemptOutcome.SUCCEEDED, at=at(SHORTEST_S - 0.1)) is None
    assert note(breaker, AttemptOutcome.SUCCEEDED, at=at(2 * SHORTEST_S)) is None


def test_who_declines_one_job_is_not_away() -> None:
    breaker = CircuitBreaker()
    note(breaker, AttemptOutcome.DECLINED, at=at(0))
    assert note(breaker, AttemptOutcome.SUCCEEDED, at=at(3600)) is None


def test_of_a_queue_with_unknown_past_everything_may_be_owed() -> None:
    recovery = note(CircuitBreaker.unknown(), AttemptOutcome.SUCCEEDED, at=at(0))
    assert recovery == Recovery(away_since=datetime.fromtimestamp(0, UTC), back_at=at(0))


def test_pauses_double_from_the_fifth_failure_in_a_row() -> None:
    breaker = CircuitBreaker()
    pauses = []
    for n in range(10):
        note(breaker, AttemptOutcome.AWAY, at=at(n))
        pauses.append(breaker.pause_s(5.0))
    assert pauses == [0, 0, 0, 0, 5, 10, 20, 40, LONGEST_PAUSE_S, LONGEST_PAUSE_S]
    for n in range(5000):
        note(breaker, AttemptOutcome.AWAY, at=at(10 + n))
    assert breaker.pause_s(0.1) == LONGEST_PAUSE_S
    assert breaker.pause_s(0.0) == 0


def test_one_success_or_a_new_configuration_ends_the_pauses() -> None:
    breaker = CircuitBreaker(in_a_row=9)
    note(breaker, AttemptOutcome.SUCCEEDED, at=at(0))
    assert breaker.pause_s(5.0) == 0
    breaker = CircuitBreaker(in_a_row=9)
    breaker.forgive()
    assert breaker.pause_s(5.0) == 0


def test_what_fails_side_by_side_counts_once() -> None:
    breaker = CircuitBreaker()
    for _ in range(8):
        breaker.note(AttemptOutcome.AWAY, began_s=0, ended_s=1, at=at(1))
    assert breaker.in_a_row == 1
    breaker.note(AttemptOutcome.AWAY, began_s=2, ended_s=3, at=at(3))
    assert breaker.in_a_row == 2


def test_what_is_declined_makes_no_pause() -> None:
    breaker = CircuitBreaker()
    for n in range(20):
        note(breaker, AttemptOutcome.DECLINED, at=at(n))
    assert breaker.pause_s(5.0) == 0


def test_the_clock_that_is_set_decides_nothing() -> None:
    breaker = CircuitBreaker()
    breaker.note(AttemptOutcome.AWAY, began_s=0, ended_s=0, at=at(0))
    back = breaker.note(AttemptOutcome.SUCCEEDED, began_s=60, ended_s=60, at=at(-3600))
    assert back == Recovery(away_since=datetime.fromtimestamp(0, UTC), back_at=at(-3600))
