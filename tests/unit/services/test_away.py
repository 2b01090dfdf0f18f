from datetime import timedelta

from sidecar.config import Settings
from sidecar.model.delivery import TargetKey
from sidecar.services.away import away_targets, disabled_targets
from sidecar.store.away import AwayTarget, AwayTargets
from sidecar.store.disabled import DisabledTarget, DisabledTargets, hash_of
from tests.support.builders import START
from tests.unit.store.test_history import Shelf

CI, GONE = TargetKey(policy_id="prj/ci", target_id="0"), TargetKey(policy_id="prj/gone", target_id="0")
SECOND = TargetKey(policy_id="prj/second", target_id="0")


async def test_only_targets_with_the_same_address_still_are_meant(settings: Settings, shelf: Shelf) -> None:
    address = settings.policies[0].targets[0].address
    for key, said_for in ((CI, address), (GONE, address), (SECOND, "http://another")):
        digest, until = hash_of(said_for), START + timedelta(minutes=1)
        await AwayTargets(shelf.database).note(
            AwayTarget(target=key, address_hash=digest, since=START, until=until, reason="x")
        )
        await DisabledTargets(shelf.database).disable(
            DisabledTarget(target=key, address_hash=digest, at=START, reason="x")
        )
    assert list(away_targets(settings, shelf.history)) == [CI]
    assert list(disabled_targets(settings, shelf.history)) == [CI]
