from dataclasses import replace

import pytest

from sidecar.config import Settings
from sidecar.model.errors import NotFound, RequestInvalid
from sidecar.model.event import EventType
from sidecar.services.naming import event_type_named, policy_id, policy_named


def test_a_policy_is_named_by_its_id_or_its_name(settings: Settings) -> None:
    assert policy_id(settings, "") == ""
    assert policy_id(settings, "ci") == "prj/ci"
    assert policy_id(settings, "gone/since/long") == "gone/since/long"
    assert policy_named(settings, "ci") == policy_named(settings, "prj/ci") == settings.policies[0]
    with pytest.raises(NotFound, match="No policy is called nobody; write project/name for one that was"):
        policy_id(settings, "nobody")
    with pytest.raises(NotFound, match="No policy is called prj/nobody\\."):
        policy_named(settings, "prj/nobody")


def test_a_name_of_several_policies_cannot_be_meant(settings: Settings) -> None:
    twice = replace(settings, policies=(*settings.policies, replace(settings.policies[0], id="other/ci")))
    with pytest.raises(RequestInvalid, match="Several policies are called ci: prj/ci, other/ci"):
        policy_id(twice, "ci")
    assert policy_named(twice, "other/ci").id == "other/ci"


def test_event_types_are_known_in_every_spelling() -> None:
    assert event_type_named("pushImage") is event_type_named("PUSH_ARTIFACT") is EventType.IMAGE_PUSH
    with pytest.raises(RequestInvalid, match="'push' is none of pushImage, pullImage"):
        event_type_named("push")
    with pytest.raises(RequestInvalid, match="REPLICATION is never raised by this program"):
        event_type_named("replication")
