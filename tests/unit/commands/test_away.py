from datetime import timedelta

from sidecar.commands.away import away_words
from sidecar.model.delivery import TargetKey
from sidecar.store.away import AwayTarget
from tests.support.builders import START

MINUTE = timedelta(minutes=1)
AWAY = AwayTarget(
    target=TargetKey(policy_id="prj/ci", target_id="0"),
    address_hash="",
    since=START,
    until=START + 3 * MINUTE,
    reason="answered 503",
)


def test_people_are_told_since_when_why_and_until_when() -> None:
    told = away_words(AWAY, now=START + MINUTE)
    assert told == "away since 2026-01-02 03:04:05 (answered 503), asked again at 2026-01-02 03:07:05"
    assert away_words(AWAY, now=START + 4 * MINUTE).endswith("(answered 503), due to be asked again")
