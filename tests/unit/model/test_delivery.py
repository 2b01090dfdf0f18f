"""A delivery's id says which event it carries to whom, and nothing else."""

from dataclasses import replace
from uuid import UUID

from sidecar.model.delivery import delivery_id
from tests.unit.store.test_outbox import an_event


def test_the_same_event_and_target_have_the_same_id() -> None:
    event = replace(an_event(), id=UUID(int=1))
    identity = delivery_id(event, "prj/ci", 0)
    assert identity == delivery_id(replace(event, operator="bob"), "prj/ci", 0)
    assert identity == UUID(
        "000000ea-5f0c-5c37-a2c2-d4226ad33890"
    )  # as 0.1.0 made it: stored by both, it is one


def test_other_events_policies_and_targets_have_other_ids() -> None:
    event = an_event()
    ids = {
        delivery_id(event, "prj/ci", 0),
        delivery_id(an_event(), "prj/ci", 0),
        delivery_id(event, "prj/ci", 1),
        delivery_id(event, "prj/cd", 0),
    }
    assert len(ids) == 4
