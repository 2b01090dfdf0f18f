"""What can be used, and will not do what its writer may expect."""

import pytest

from sidecar.model.event import EventType
from tests.unit.config.conftest import TARGET, Load, one_target

POLICY = "harbor.yml: projects[0].webhook_policies[0]"


def of_types(types: str) -> str:
    return one_target().replace("name: ci", f"name: ci\n        event_types: {types}")


def test_names_of_the_webhook_page_are_taken_in_any_spelling(load_text: Load) -> None:
    loaded = load_text(of_types("[IMAGE PUSH, chart pull, Image_Delete]"))
    (policy,) = loaded.policies
    assert policy.event_types == {EventType.IMAGE_PUSH, EventType.CHART_PULL, EventType.IMAGE_DELETE}
    assert loaded.notices == ()


def test_types_of_harbor_that_are_never_raised_are_a_notice(load_text: Load) -> None:
    loaded = load_text(
        of_types("[PUSH_ARTIFACT, QUOTA_WARNING, SCANNING_STOPPED, REPLICATION, tag_retention]")
    )
    assert loaded.policies[0].event_types == {EventType.IMAGE_PUSH}
    (notice,) = loaded.notices
    assert notice.startswith(
        f"{POLICY}.event_types: QUOTA_WARNING, SCANNING_STOPPED, REPLICATION, TAG_RETENTION: "
    )
    assert notice.endswith(": accepted, but never raised by this program")


@pytest.mark.parametrize("kind", ["IMAGE SCAN COMPLETED", "SCANNING_FAILED"])
def test_types_that_do_not_happen_yet_are_a_notice(load_text: Load, kind: str) -> None:
    (notice,) = load_text(of_types(f"[pushImage, {kind}]")).notices
    assert notice.startswith(f"{POLICY}.event_types: ")
    assert notice.endswith(": accepted, but does not happen in this version")


@pytest.mark.parametrize(
    "types", ["[scanningFailed]", "[TAG_RETENTION]", "[SCANNING_FAILED, scanningCompleted]"]
)
def test_a_policy_for_nothing_that_happens_is_a_notice(load_text: Load, types: str) -> None:
    _, notice = load_text(of_types(types)).notices
    assert notice == f"{POLICY}.event_types: nothing of this happens: this policy will never be triggered"


def test_a_policy_of_types_that_are_never_raised_wants_nothing(load_text: Load) -> None:
    (policy,) = load_text(of_types("[REPLICATION]")).policies
    assert policy.event_types == frozenset()


@pytest.mark.parametrize("value", ["${TOKEN}", "Bearer ${CI_TOKEN:-none}", "x${a}y"])
def test_what_looks_like_a_variable_is_used_as_it_stands_and_that_is_said(
    load_text: Load, value: str
) -> None:
    loaded = load_text(one_target(auth_header=value, headers="{X-Key: '${OTHER}', X-Team: platform}"))
    assert loaded.policies[0].targets[0].auth_header.reveal() == value
    assert [notice.partition(": holds ")[0] for notice in loaded.notices] == [
        f"harbor.yml: {TARGET}.auth_header",
        f"harbor.yml: {TARGET}.headers.X-Key",
    ]
    assert all("TOKEN" not in notice and "OTHER" not in notice for notice in loaded.notices)


@pytest.mark.parametrize("value", ["pa$$word", "$5", "${", "{TOKEN}", "$(TOKEN)", "${1}", "a$TOKEN"])
def test_a_dollar_alone_is_no_variable(load_text: Load, value: str) -> None:
    assert load_text(one_target(auth_header=f"'{value}'")).notices == ()


def test_a_template_may_hold_what_it_likes(load_text: Load) -> None:
    text = one_target(payload_format="Template", template="'\"${x}\"'")
    assert load_text(text).notices == ()


def test_an_address_of_a_known_receiver_with_another_format_is_a_notice(load_text: Load) -> None:
    text = one_target().replace("https://ci.example.com/hook", "http://keel:9300/v1/webhooks/harbor")
    (notice,) = load_text(text).notices
    assert notice.startswith(f"harbor.yml: {TARGET}.payload_format: this looks like the address of Keel")
    assert load_text(text.rstrip() + "\n            payload_format: Default\n").notices == ()
    assert load_text(text.rstrip() + "\n            type: slack\n").notices == ()


def cdevents_of(load_text: Load, text: str) -> list[str]:
    loaded = load_text(text.rstrip() + "\n            payload_format: CDEvents\n")
    return [notice for notice in loaded.notices if "CDEvents" in notice]


def test_events_that_a_format_does_not_support_are_a_notice_at_the_target(load_text: Load) -> None:
    at = f"harbor.yml: {TARGET}.payload_format: CDEvents has no event type for"
    of_all = f"{at} projectQuota, scanningCompleted, scanningFailed: not sent to this target"
    assert cdevents_of(load_text, one_target()) == [of_all]
    assert cdevents_of(load_text, of_types("[pushImage, QUOTA_EXCEED]")) == [
        f"{at} projectQuota: not sent to this target"
    ]
    assert cdevents_of(load_text, of_types("[QUOTA_EXCEED]")) == [
        f"{at} projectQuota: not sent to this target; that is all it asks for"
    ]


@pytest.mark.parametrize("types", ["[pushImage, DELETE_ARTIFACT, chart pull]", "[REPLICATION]"])
def test_events_that_a_format_supports_are_no_notice(load_text: Load, types: str) -> None:
    assert cdevents_of(load_text, of_types(types)) == []
