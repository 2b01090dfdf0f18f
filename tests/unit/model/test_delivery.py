"""A delivery's id says which event it carries to whom, and nothing else."""

from dataclasses import replace
from uuid import UUID

from sidecar.model.delivery import TargetKey, delivery_id
from tests.unit.store.test_outbox import an_event


def test_the_same_event_and_target_have_the_same_id() -> None:
    event = replace(an_event(), id=UUID(int=1))
    key = TargetKey(policy_id="prj/ci", index=0)
    assert delivery_id(event, key) == delivery_id(replace(event, operator="bob"), key)


def test_other_events_policies_and_targets_have_other_ids() -> None:
    event, key = an_event(), TargetKey(policy_id="prj/ci", index=0)
    ids = {
        delivery_id(event, key),
        delivery_id(an_event(), key),
        delivery_id(event, TargetKey(policy_id="prj/ci", index=1)),
        delivery_id(event, TargetKey(policy_id="prj/cd", index=0)),
    }
    assert len(ids) == 4
