import pytest

from sidecar.formats.receivers import mismatch, receiver_at
from sidecar.policies.target import EventNames, PayloadFormat

KEEL = "http://keel.keel:9300/v1/webhooks/harbor"
ARGO_CD = "https://argocd.example.com/api/webhook"
UPDATER = "https://updater.example.com/webhook?type=harbor&secret=x"
JENKINS = "https://jenkins.example.com/ci/harbor-webhook/"
ZULIP = "https://z.example.com/api/v1/external/harbor?api_key=x&stream=y"
KARGO = f"https://kargo.example.com/harbor/{'a1' * 32}"


@pytest.mark.parametrize(
    ("address", "name"),
    [
        (KEEL, "Keel"),
        (ARGO_CD, "Argo CD"),
        (f"{ARGO_CD}/", "Argo CD"),
        (UPDATER, "Argo CD Image Updater"),
        (JENKINS, "the harbor plugin of Jenkins"),
        (ZULIP, "Zulip"),
        (KARGO, "Kargo"),
        ("https://ci.example.com/webhook", ""),
        ("https://ci.example.com/webhook?type=quay", ""),
        ("https://ci.example.com/api/webhooks", ""),
        ("https://ci.example.com/api/webhook/ci", ""),
        ("https://ci.example.com/harbor/abc", ""),
        ("https://ci.example.com/", ""),
        ("https://[", ""),
    ],
)
def test_a_receiver_is_known_by_its_address(address: str, name: str) -> None:
    assert receiver_at(address) == name


@pytest.mark.parametrize("address", [KEEL, ARGO_CD, UPDATER, ZULIP, KARGO])
def test_receivers_of_harbors_webhooks_read_default_alone(address: str) -> None:
    for form in (PayloadFormat.DOCUMENTED, PayloadFormat.CLOUDEVENTS):
        assert f"reads Default, and does not act on {form}" in mismatch(address, form, EventNames.HARBOR2)
    for form in (PayloadFormat.DEFAULT, PayloadFormat.TEMPLATE):
        assert not mismatch(address, form, EventNames.HARBOR2)


def test_of_the_names_of_harbor_1_only_keel_takes_notice() -> None:
    assert not mismatch(KEEL, PayloadFormat.DEFAULT, EventNames.HARBOR1)
    assert "leave event_names out" in mismatch(ARGO_CD, PayloadFormat.DEFAULT, EventNames.HARBOR1)


def test_jenkins_needs_a_template() -> None:
    for form in (PayloadFormat.DOCUMENTED, PayloadFormat.DEFAULT, PayloadFormat.CLOUDEVENTS):
        assert "docs/events.md has a template" in mismatch(JENKINS, form, EventNames.HARBOR2)
    assert not mismatch(JENKINS, PayloadFormat.TEMPLATE, EventNames.HARBOR2)


def test_of_other_addresses_nothing_is_said() -> None:
    assert not mismatch("https://ci.example.com/hook", PayloadFormat.DOCUMENTED, EventNames.HARBOR2)
