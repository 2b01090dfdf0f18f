from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from sidecar.commands.away import away_words, next_attempt
from sidecar.delivery import DeliveryState, TargetKey
from sidecar.event import EventType
from sidecar.store.away import AwayTarget
from sidecar.store.history import KeptDelivery
from tests.support.builders import START

KEY = TargetKey(policy_id="prj/ci", index=0)
MINUTE = timedelta(minutes=1)
WAITING = KeptDelivery(
    id=UUID(int=1),
    event_id=UUID(int=2),
    event_type=EventType.IMAGE_PUSH,
    target=KEY,
    project="prj",
    repository="prj/app",
    state=DeliveryState.WAITING,
    reason="",
    created_at=START,
    finished_at=None,
    next_attempt_at=START,
    failures=0,
    attempts=0,
    content_type="application/json",
    last_attempt=None,
)
AWAY = AwayTarget(target=KEY, address_hash="", since=START, until=START + 3 * MINUTE, reason="answered 503")


def test_people_are_told_since_when_why_and_until_when() -> None:
    told = away_words(AWAY, now=START + MINUTE)
    assert told == "away since 2026-01-02 03:04:05 (answered 503), asked again at 2026-01-02 03:07:05"
    assert away_words(AWAY, now=START + 4 * MINUTE).endswith("(answered 503), due to be asked again")


@pytest.mark.parametrize(
    ("due", "now", "expected"),
    [
        (START, START + MINUTE, AWAY.until),
        (START + 9 * MINUTE, START + MINUTE, START + 9 * MINUTE),
        (START, START + 4 * MINUTE, None),
    ],
)
def test_the_next_attempt_is_never_in_the_past(
    due: datetime, now: datetime, expected: datetime | None
) -> None:
    delivery = replace(WAITING, next_attempt_at=due)
    assert next_attempt(delivery, {KEY: AWAY}, now=now) == expected


def test_of_a_target_that_is_there_its_own_time_counts() -> None:
    assert next_attempt(WAITING, {}, now=START - MINUTE) == START
    assert next_attempt(WAITING, {}, now=START + MINUTE) is None
    assert next_attempt(replace(WAITING, state=DeliveryState.SENDING), {}, now=START - MINUTE) is None
