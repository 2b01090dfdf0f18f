import json
from dataclasses import replace

from sidecar.config import Settings
from sidecar.model.event import EventType
from sidecar.policies.policy import WebhookPolicy
from sidecar.policies.target import PayloadFormat, Target
from sidecar.services.configuration import check_policy
from sidecar.services.previews import preview, preview_document


def test_each_target_for_each_event_that_is_wanted_whatever_is_filtered(settings: Settings) -> None:
    policy = replace(
        settings.policies[0],
        enabled=False,
        event_types=frozenset({EventType.IMAGE_PUSH, EventType.CHART_PUSH}),
        repositories=("prj/none",),
        targets=(
            Target(address="http://a/sekrit"),
            Target(address="http://b", payload_format=PayloadFormat.DEFAULT),
        ),
    )
    found = preview(settings, policy)
    assert [(each.event_type, each.position) for each in found.deliveries] == [
        ("pushImage", 0),
        ("pushImage", 1),
        ("uploadChart", 0),
        ("uploadChart", 1),
    ]
    document = preview_document(found)[0]
    assert (document["host"], document["content_type"], document["error"]) == (
        "http://a",
        "application/json",
        "",
    )
    assert json.loads(document["body"])["event_type"] == "pushImage"
    assert "sekrit" not in json.dumps(document)
    (deleted, _) = preview(settings, policy, EventType.IMAGE_DELETE).deliveries
    assert deleted.event_type is EventType.IMAGE_DELETE


def test_a_policy_that_is_only_thought_of_can_be_looked_at(settings: Settings) -> None:
    template = "{{ event.project_type | tojson }}"
    target = {"address": "http://h", "payload_format": "Template", "template": template}
    policy = check_policy(
        settings, "*", {"name": "new", "event_types": ["pushImage"], "targets": [target]}
    ).value
    assert policy
    (delivery,) = preview(settings, policy).deliveries
    assert json.loads(delivery.body) == "Private"


def test_a_template_that_fails_says_why_in_its_place(settings: Settings) -> None:
    target = Target(
        address="http://h", payload_format=PayloadFormat.TEMPLATE, template="{{ event.digest | tojson }}"
    )
    policy = WebhookPolicy(id="prj/x", project="prj", name="x", targets=(target,))
    found = preview(settings, policy, EventType.CHART_PUSH)
    assert preview_document(found)[0]["error"] == "the template failed: line 1: there is no 'digest'"
    assert (found.deliveries[0].body, found.deliveries[0].content_type) == (b"", "")


def test_what_a_format_does_not_support_is_not_sent_and_that_is_said(settings: Settings) -> None:
    target = Target(address="http://h", payload_format=PayloadFormat.CDEVENTS)
    policy = WebhookPolicy(id="prj/x", project="prj", name="x", targets=(target,))
    found = preview(settings, policy, EventType.QUOTA_EXCEED)
    assert (found.deliveries, found.unsent) == ([], [(target, EventType.QUOTA_EXCEED)])
