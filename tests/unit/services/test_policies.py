from datetime import timedelta

import pytest

from sidecar.config import Settings
from sidecar.model.delivery import DeliveryState, TargetKey
from sidecar.model.errors import NotFound
from sidecar.model.event import EventType
from sidecar.services.policies import enable_targets, list_policies, policy_document
from sidecar.store.away import AwayTarget, AwayTargets
from sidecar.store.disabled import DisabledTarget, DisabledTargets, hash_of
from tests.support.builders import START
from tests.unit.store.test_history import Shelf

CI = TargetKey(policy_id="prj/ci", target_id="0")


async def _disable(settings: Settings, shelf: Shelf) -> None:
    digest = hash_of(settings.policies[0].targets[0].address)
    await DisabledTargets(shelf.database).disable(
        DisabledTarget(target=CI, address_hash=digest, at=START, reason="answered 410")
    )


async def test_a_policy_says_what_waits_what_came_and_what_holds_it(settings: Settings, shelf: Shelf) -> None:
    first = await shelf.keep()
    await shelf.keep(1)
    await shelf.end(first, DeliveryState.DELIVERED)
    await _disable(settings, shelf)
    digest = hash_of(settings.policies[0].targets[0].address)
    away = AwayTarget(
        target=CI, address_hash=digest, since=START, until=START + timedelta(minutes=1), reason="answered 503"
    )
    await AwayTargets(shelf.database).note(away)

    ci, second = list_policies(settings)
    (target,) = ci.targets
    assert (ci.policy, target.position, target.target) == (settings.policies[0], 0, ci.policy.targets[0])
    assert (ci.waiting, target.waiting, second.waiting) == (1, 1, 0)
    assert target.disabled
    assert (target.disabled.reason, target.away) == ("answered 410", away)
    assert ci.last_triggered == {EventType.IMAGE_PUSH: START + timedelta(minutes=1)}
    assert (second.targets[0].disabled, second.targets[0].away, second.last_triggered) == (None, None, {})


async def test_its_document_has_nothing_secret(settings: Settings, shelf: Shelf) -> None:
    await shelf.keep()
    await _disable(settings, shelf)
    document = policy_document(list_policies(settings)[0])
    assert document == {
        "id": "prj/ci",
        "project": "prj",
        "name": "ci",
        "enabled": True,
        "event_types": ["pushImage"],
        "repositories": ["prj/a"],
        "tags": ["v*"],
        "exclude_repositories": [],
        "exclude_tags": [],
        "operators": [],
        "targets": [
            {
                "index": 0,
                "type": "http",
                "host": "https://ci.example.com",
                "payload_format": "Documented",
                "auth": True,
                "signed": True,
                "cert_verified": True,
                "waiting": 1,
                "disabled": {"at": "2026-01-02T03:04:05.000Z", "reason": "answered 410"},
                "away": None,
            }
        ],
        "waiting": 1,
        "last_triggered": {"pushImage": "2026-01-02T03:04:05.000Z"},
    }


async def test_a_target_is_used_again_once(settings: Settings, shelf: Shelf) -> None:
    await _disable(settings, shelf)
    with pytest.raises(NotFound, match="No such target of prj/ci is disabled"):
        enable_targets(settings, "prj/ci", 1)
    assert enable_targets(settings, "prj/ci") == 1
    assert list_policies(settings)[0].targets[0].disabled is None
    with pytest.raises(NotFound):
        enable_targets(settings, "prj/ci")
