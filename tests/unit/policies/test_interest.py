"""What is looked at for whom; tests/unit/recording/test_recorder.py asks for each operation."""

from dataclasses import replace

import pytest

from sidecar.model.event import EventType
from sidecar.model.names import parse_digest, parse_reference, repository_of
from sidecar.model.operation import (
    DeleteManifest,
    GetManifest,
    HeadBlob,
    HeadManifest,
    Operation,
    Other,
    PutManifest,
    Routes,
    UploadChart,
    UploadProvenance,
    UploadStep,
    WriteBlob,
)
from sidecar.policies.interest import Interest
from sidecar.policies.policy import WebhookPolicy
from sidecar.policies.target import Target
from tests.support.builders import a_digest

APP = repository_of("prj/app", default_project="library")
V1 = parse_reference("v1")
POLICY = WebhookPolicy(
    id="prj/ci",
    project="prj",
    name="ci",
    event_types=frozenset({EventType.QUOTA_EXCEED}),
    targets=(Target(address="http://127.0.0.1:9/hook"),),
)
SEEN: list[Operation] = [
    PutManifest(APP, V1),
    HeadManifest(APP, V1),
    HeadBlob(APP, parse_digest(a_digest("x"))),
    *(WriteBlob(APP, step) for step in UploadStep),
    UploadChart("prj"),
    UploadProvenance("prj"),
]
NOT_SEEN: list[Operation] = [GetManifest(APP, V1), DeleteManifest(APP, V1), Other()]


def interest(*policies: WebhookPolicy) -> Interest:
    return Interest(policies, routes=Routes(chart_depth=1))


@pytest.mark.parametrize("operation", SEEN + NOT_SEEN)
def test_who_wants_rejections_alone_costs_only_what_they_depend_on(operation: Operation) -> None:
    assert interest(POLICY).observes(operation) is (operation in SEEN)
    assert interest(replace(POLICY, project="*")).observes(operation) is (operation in SEEN)


@pytest.mark.parametrize("operation", SEEN + NOT_SEEN)
def test_other_projects_and_switched_off_policies_cost_nothing(operation: Operation) -> None:
    found = interest(replace(POLICY, project="elsewhere"), replace(POLICY, enabled=False))
    assert not found.observes(operation)
    assert not found.wants_rejections(operation)
    assert found.has_rejections


def test_nobody_wants_rejections_where_no_policy_names_them() -> None:
    assert not interest(replace(POLICY, event_types=frozenset({EventType.IMAGE_PUSH}))).has_rejections
