"""When a target is back, and since when it was away."""

from datetime import UTC, datetime, timedelta

import pytest

from sidecar.delivery import Accepted, AttemptResult, Rejected, Unreachable
from sidecar.dispatcher.outage import SHORTEST_S, Outage, Recovery
from tests.support.builders import START

AWAY = (Unreachable("refused"), Rejected(500), Rejected(503, 60.0), Rejected(429), Rejected(408))
DISLIKED = (Rejected(400), Rejected(401), Rejected(404), Rejected(301))


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


@pytest.mark.parametrize("failure", AWAY)
def test_it_is_back_with_the_first_success_after_a_while(failure: AttemptResult) -> None:
    outage = Outage()
    assert outage.note(Accepted(200), at=at(0)) is None
    assert outage.note(failure, at=at(10)) is None
    assert outage.note(failure, at=at(3000)) is None
    assert outage.note(Accepted(204), at=at(3600)) == Recovery(away_since=at(0), back_at=at(3600))
    assert outage.note(Accepted(200), at=at(9999)) is None


def test_a_short_absence_is_left_to_the_schedule() -> None:
    outage = Outage()
    outage.note(Unreachable("refused"), at=at(0))
    assert outage.note(Accepted(200), at=at(SHORTEST_S - 0.1)) is None
    assert outage.note(Accepted(200), at=at(2 * SHORTEST_S)) is None


@pytest.mark.parametrize("refusal", DISLIKED)
def test_who_dislikes_one_delivery_is_not_away(refusal: AttemptResult) -> None:
    outage = Outage()
    outage.note(refusal, at=at(0))
    assert outage.note(Accepted(200), at=at(3600)) is None


def test_of_a_target_with_unknown_past_everything_may_be_owed() -> None:
    recovery = Outage.unknown().note(Accepted(200), at=at(0))
    assert recovery == Recovery(away_since=datetime.fromtimestamp(0, UTC), back_at=at(0))
