import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.formats import FormatContext
from sidecar.formats.fanout import deliveries_for, number_of
from sidecar.model.delivery import Delivery, DeliveryState, TargetKey, delivery_id
from sidecar.model.event import Chart, Event, EventType
from sidecar.policies.policy import WebhookPolicy, matches
from sidecar.policies.target import EventNames, PayloadFormat, Target, TargetType
from tests.unit.formats.samples import CONTEXT, an_event

NOW = datetime(2026, 1, 2, 3, 5, tzinfo=UTC)


def a_target(payload_format: PayloadFormat = PayloadFormat.DOCUMENTED, **more: Any) -> Target:
    return Target(address="https://ci.example.com/hook", payload_format=payload_format, **more)


def a_policy(*targets: Target, name: str = "ci", **more: Any) -> WebhookPolicy:
    return WebhookPolicy(id=f"prj/{name}", project="prj", name=name, targets=targets, **more)


def deliver(event: Event, *policies: WebhookPolicy) -> tuple[Delivery, ...]:
    return deliveries_for(event, policies, lambda _: CONTEXT, NOW)


def test_each_target_of_each_policy_gets_one_delivery() -> None:
    event = an_event()
    ci, ops = a_policy(a_target(), a_target()), a_policy(a_target(), name="ops")
    deliveries = deliver(event, ci, ops)
    assert [delivery.target for delivery in deliveries] == [
        TargetKey(policy_id=policy.id, target_id=own) for policy in (ci, ops) for own in policy.target_ids
    ]
    assert [delivery.position for delivery in deliveries] == [0, 1, 0]
    assert [delivery.id for delivery in deliveries] == [
        delivery_id(event, policy_id, position)
        for policy_id, position in (("prj/ci", 0), ("prj/ci", 1), ("prj/ops", 0))
    ]
    assert len({delivery.id for delivery in deliveries}) == 3


def test_a_delivery_names_its_event() -> None:
    (delivery,) = deliver(an_event(), a_policy(a_target()))
    assert (delivery.event_id, delivery.event_type) == (an_event().id, EventType.IMAGE_PUSH)
    assert (delivery.repository, delivery.created_at) == ("prj/app", NOW)
    assert (delivery.failures, delivery.attempts) == (0, 0)


def test_policies_that_do_not_want_the_event_get_nothing() -> None:
    unwanted = a_policy(a_target(), event_types=frozenset({EventType.IMAGE_PULL}))
    disabled = a_policy(a_target(), enabled=False)
    elsewhere = WebhookPolicy(id="x", project="other", name="x", targets=(a_target(),))
    assert deliver(an_event(), unwanted, disabled, elsewhere) == ()


def test_context_is_not_asked_when_nobody_wants_the_event() -> None:
    def fail(_: Event) -> FormatContext:
        pytest.fail("asked")

    assert deliveries_for(an_event(), [a_policy()], fail, NOW) == ()


def test_targets_of_one_format_share_the_bytes() -> None:
    first, second, other = deliver(
        an_event(), a_policy(a_target(), a_target(skip_cert_verify=True), a_target(PayloadFormat.DEFAULT))
    )
    assert first.body is second.body
    assert first.body != other.body


@pytest.mark.parametrize(
    ("target", "content_type", "marker"),
    [
        (a_target(), "application/json", '"event_type":"pushImage"'),
        (a_target(PayloadFormat.DEFAULT), "application/json", '"type":"PUSH_ARTIFACT"'),
        (
            a_target(PayloadFormat.DEFAULT, event_names=EventNames.HARBOR1),
            "application/json",
            '"type":"pushImage"',
        ),
        (
            a_target(PayloadFormat.CLOUDEVENTS),
            "application/cloudevents+json",
            '"type":"harbor.artifact.pushed"',
        ),
        (
            a_target(PayloadFormat.CDEVENTS),
            "application/cloudevents+json",
            '"type":"dev.cdevents.artifact.published.0.3.0"',
        ),
        (a_target(type=TargetType.SLACK), "application/json", '"mrkdwn"'),
        (a_target(type=TargetType.TEAMS), "application/json", '"AdaptiveCard"'),
    ],
)
def test_each_target_gets_its_format(target: Target, content_type: str, marker: str) -> None:
    (delivery,) = deliver(an_event(), a_policy(target))
    assert delivery.content_type == content_type
    assert marker in delivery.body.decode()


def test_cloudevents_name_their_policy_as_source() -> None:
    target = a_target(PayloadFormat.CLOUDEVENTS)
    by_name, by_number = deliver(
        an_event(), a_policy(target), WebhookPolicy(id="3", project="*", name="all", targets=(target,))
    )
    # The first 31 bits of what `sha256sum` prints for prj and for prj/ci.
    assert json.loads(by_name.body)["source"] == "/projects/963636254/webhook/policies/1276968090"
    assert json.loads(by_number.body)["source"] == "/projects/963636254/webhook/policies/3"


def test_cdevents_name_the_registry_as_source_whatever_the_policy() -> None:
    target = a_target(PayloadFormat.CDEVENTS)
    first, second = deliver(an_event(), a_policy(target), a_policy(target, name="ops"))
    assert json.loads(first.body)["source"] == CONTEXT.external_url
    assert first.body is second.body


@pytest.mark.parametrize("kind", [EventType.QUOTA_EXCEED, EventType.SCAN_COMPLETED, EventType.SCAN_FAILED])
def test_a_target_whose_format_does_not_support_an_event_is_not_sent_it(kind: EventType) -> None:
    unsupported, other = a_target(PayloadFormat.CDEVENTS), a_target()
    ci = a_policy(unsupported, other)
    (delivery,) = deliver(an_event(kind), ci, a_policy(unsupported, name="ops"))
    assert delivery.target == TargetKey(policy_id="prj/ci", target_id=ci.target_ids[1])
    assert delivery.state is DeliveryState.WAITING


def test_a_chart_that_a_format_cannot_name_is_given_up_and_says_so() -> None:
    unnamed = Chart(name="", version="", type="", size_bytes=None)
    event = an_event(EventType.CHART_PUSH, chart=unnamed, tag="")
    first, second = deliver(event, a_policy(a_target(PayloadFormat.CDEVENTS), a_target()))
    assert (first.state, second.state) == (DeliveryState.GIVEN_UP, DeliveryState.WAITING)
    assert first.reason == "CDEvents names what it is about, and the name of this chart is not known"


@given(st.text())
def test_a_number_is_one_that_every_receiver_can_hold(name: str) -> None:
    assert 0 < number_of(name) < 1 << 31


def test_a_format_that_raises_is_given_up_for_its_targets_and_the_others_get_theirs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def raises(*_: object) -> None:
        raise KeyError("platform")

    monkeypatch.setattr("sidecar.formats.default.encode", raises)
    first, second, third = deliver(
        an_event(),
        a_policy(a_target(PayloadFormat.DEFAULT), a_target()),
        a_policy(a_target(PayloadFormat.DEFAULT), name="ops"),
    )
    assert [found.state for found in (first, second, third)] == [
        DeliveryState.GIVEN_UP,
        DeliveryState.WAITING,
        DeliveryState.GIVEN_UP,
    ]
    assert first.reason.startswith("the format failed: KeyError: 'platform' (test_fanout.py:")
    assert (first.body, first.content_type) == (b"", "")
    assert json.loads(second.body)["event_type"] == "pushImage"


def test_filters_that_raise_are_told_to_their_policy_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def raises(policy: WebhookPolicy, event: Event) -> bool:
        if policy.name == "broken":
            raise ValueError("filter")
        return matches(policy, event)

    monkeypatch.setattr("sidecar.formats.fanout.matches", raises)
    first, second = deliver(an_event(), a_policy(a_target(), name="broken"), a_policy(a_target()))
    assert (first.state, second.state) == (DeliveryState.GIVEN_UP, DeliveryState.WAITING)
    assert first.reason.startswith("the policy's filters failed: ValueError: filter (")
