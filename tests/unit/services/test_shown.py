from datetime import datetime, timedelta, timezone

from sidecar.model.delivery import TargetKey
from sidecar.policies.target import Target
from sidecar.services.shown import away_document, host_of, is_verified, rfc3339
from sidecar.store.away import AwayTarget
from tests.support.builders import START


def test_of_a_target_only_the_host_is_shown() -> None:
    target = Target(address="https://u:p@h.example.com:8443/t0ken?t0ken")
    assert host_of(target) == "https://h.example.com:8443"


def test_only_https_that_is_checked_is_verified() -> None:
    assert is_verified(Target(address="https://h"))
    assert not is_verified(Target(address="https://h", skip_cert_verify=True))
    assert not is_verified(Target(address="http://h"))


def test_times_are_utc() -> None:
    east = timezone(timedelta(hours=2))
    assert rfc3339(datetime(2026, 1, 2, 5, 4, 5, 6000, tzinfo=east)) == "2026-01-02T03:04:05.006Z"
    assert rfc3339(START) == "2026-01-02T03:04:05.000Z"
    assert rfc3339(None) is None


def test_a_target_that_is_away_says_until_when_and_nothing_of_its_address() -> None:
    away = AwayTarget(
        target=TargetKey(policy_id="prj/ci", target_id="0"),
        address_hash="x",
        since=START,
        until=START + timedelta(minutes=1),
        reason="answered 503",
    )
    assert away_document(away) == {
        "since": "2026-01-02T03:04:05.000Z",
        "until": "2026-01-02T03:05:05.000Z",
        "reason": "answered 503",
    }
    assert away_document(None) is None
