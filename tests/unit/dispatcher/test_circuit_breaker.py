"""When a target is back, and since when it was away."""

from datetime import UTC, datetime, timedelta

import pytest

from sidecar.dispatcher.circuit_breaker import LONGEST_PAUSE_S, SHORTEST_S, Outage, Recovery
from sidecar.model.delivery import Accepted, AttemptResult, Rejected, Unreachable
from tests.support.builders import START

AWAY = (Unreachable("refused"), Rejected(500), Rejected(503, 60.0), Rejected(429), Rejected(408))
DISLIKED = (Rejected(400), Rejected(401), Rejected(404), Rejected(301))


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def note(outage: Outage, result: AttemptResult, *, at: datetime) -> Recovery | None:
    now_s = (at - START).total_seconds()
    return outage.note(result, began_s=now_s, ended_s=now_s, at=at)


@pytest.mark.parametrize("failure", AWAY)
def test_it_is_back_with_the_first_success_after_a_while(failure: AttemptResult) -> None:
    outage = Outage()
    assert note(outage, Accepted(200), at=at(0)) is None
    assert note(outage, failure, at=at(10)) is None
    assert note(outage, failure, at=at(3000)) is None
    assert note(outage, Accepted(204), at=at(3600)) == Recovery(away_since=at(0), back_at=at(3600))
    assert note(outage, Accepted(200), at=at(9999)) is None


def test_a_short_absence_is_left_to_the_schedule() -> None:
    outage = Outage()
    note(outage, Unreachable("refused"), at=at(0))
    assert note(outage, Accepted(200), at=at(SHORTEST_S - 0.1)) is None
    assert note(outage, Accepted(200), at=at(2 * SHORTEST_S)) is None


@pytest.mark.parametrize("refusal", DISLIKED)
def test_who_dislikes_one_delivery_is_not_away(refusal: AttemptResult) -> None:
    outage = Outage()
    note(outage, refusal, at=at(0))
    assert note(outage, Accepted(200), at=at(3600)) is None


def test_of_a_target_with_unknown_past_everything_may_be_owed() -> None:
    recovery = note(Outage.unknown(), Accepted(200), at=at(0))
    assert recovery == Recovery(away_since=datetime.fromtimestamp(0, UTC), back_at=at(0))


def test_pauses_double_from_the_fifth_failure_in_a_row() -> None:
    outage = Outage()
    pauses = []
    for n in range(10):
        note(outage, Unreachable("refused"), at=at(n))
        pauses.append(outage.pause_s(5.0))
    assert pauses == [0, 0, 0, 0, 5, 10, 20, 40, LONGEST_PAUSE_S, LONGEST_PAUSE_S]
    for n in range(5000):
        note(outage, Unreachable("refused"), at=at(10 + n))
    assert outage.pause_s(0.1) == LONGEST_PAUSE_S
    assert outage.pause_s(0.0) == 0


def test_one_success_or_a_new_configuration_ends_the_pauses() -> None:
    outage = Outage(in_a_row=9)
    note(outage, Accepted(200), at=at(0))
    assert outage.pause_s(5.0) == 0
    outage = Outage(in_a_row=9)
    outage.forgive()
    assert outage.pause_s(5.0) == 0


def test_what_fails_side_by_side_counts_once() -> None:
    outage = Outage()
    for _ in range(8):
        outage.note(Rejected(503), began_s=0, ended_s=1, at=at(1))
    assert outage.in_a_row == 1
    outage.note(Rejected(503), began_s=2, ended_s=3, at=at(3))
    assert outage.in_a_row == 2


@pytest.mark.parametrize("refusal", DISLIKED)
def test_nobody_rests_from_dislikes(refusal: AttemptResult) -> None:
    outage = Outage()
    for n in range(20):
        note(outage, refusal, at=at(n))
    assert outage.pause_s(5.0) == 0


def test_the_clock_that_is_set_decides_nothing() -> None:
    outage = Outage()
    outage.note(Unreachable("refused"), began_s=0, ended_s=0, at=at(0))
    back = outage.note(Accepted(200), began_s=60, ended_s=60, at=at(-3600))
    assert back == Recovery(away_since=datetime.fromtimestamp(0, UTC), back_at=at(-3600))
