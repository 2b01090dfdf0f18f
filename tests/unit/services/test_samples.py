import json
from dataclasses import replace

from sidecar.config import Settings
from sidecar.formats.samples import sample_of
from sidecar.model.event import EventType
from sidecar.policies.policy import ALL_PROJECTS, Project
from sidecar.services.samples import sample_deliveries, sample_project


def test_a_policy_of_all_projects_is_shown_with_the_default_project(settings: Settings) -> None:
    policy = settings.policies[0]
    assert sample_project(settings, policy) == "prj"
    assert sample_project(settings, replace(policy, project=ALL_PROJECTS)) == "library"


def test_targets_are_sent_what_real_ones_would_be_of_their_project(settings: Settings) -> None:
    policy, event = settings.policies[0], sample_of(EventType.IMAGE_PUSH)
    kinds = []
    for public in (False, True):
        known = replace(settings, projects=(Project(name="prj", public=public),))
        (delivery,) = sample_deliveries(known, policy, [event], repository_created_at=0)
        kinds.append(json.loads(delivery.body)["events"][0]["project_type"])
        assert (delivery.target.policy_id, delivery.event_id) == ("prj/ci", event.id)
    assert kinds == ["Private", "Public"]
