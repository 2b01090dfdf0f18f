"""What the configuration says about a target."""

from dataclasses import dataclass, field, replace

from sidecar.delivery import TargetKey
from sidecar.dispatcher.book import AddressBook
from sidecar.dispatcher.prepared import PreparedTarget, make_tls_contexts
from sidecar.policy import Target, WebhookPolicy

KEY = TargetKey(policy_id="prj/ci", index=0)
TARGET = Target(address="https://user:pw@ci.example/token?x=y")
POLICY = WebhookPolicy(id="prj/ci", project="prj", name="ci", targets=(TARGET,))
TLS = make_tls_contexts()


@dataclass
class Configuration:
    policies: dict[TargetKey, tuple[WebhookPolicy, Target]] = field(
        default_factory=lambda: {KEY: (POLICY, TARGET)}
    )
    enabled: bool = True

    def __post_init__(self) -> None:
        self.book = AddressBook(lambda: dict(self.policies), lambda: self.enabled, TLS, {})
        self.book.refresh()


def test_a_configured_target_is_not_held() -> None:
    configuration = Configuration()
    assert configuration.book.hold_reason(KEY) == ""
    assert isinstance(configuration.book.prepared(KEY), PreparedTarget)


def test_removed_disabled_and_switched_off_are_told_apart() -> None:
    disabled = {KEY: (replace(POLICY, enabled=False), TARGET)}
    assert "removed" in Configuration({}).book.hold_reason(KEY)
    assert "disabled" in Configuration(disabled).book.hold_reason(KEY)
    assert "switched off" in Configuration(enabled=False).book.hold_reason(KEY)


def test_a_target_that_is_gone_stays_held_until_its_own_policy_changes() -> None:
    configuration = Configuration()
    configuration.book.disable(KEY)
    other = TargetKey(policy_id="prj/other", index=0)
    configuration.policies[other] = POLICY, TARGET
    configuration.book.refresh()
    assert "410" in configuration.book.hold_reason(KEY)
    configuration.policies[KEY] = replace(POLICY, name="renamed"), TARGET
    configuration.book.refresh()
    assert configuration.book.hold_reason(KEY) == ""


def test_a_corrected_address_is_used_after_the_change_is_told() -> None:
    configuration = Configuration()
    assert configuration.book.host_of(KEY) == "ci.example"
    configuration.book.prepared(KEY)
    configuration.policies[KEY] = POLICY, Target(address="https://new.example/")
    configuration.book.refresh()
    prepared = configuration.book.prepared(KEY)
    assert isinstance(prepared, PreparedTarget)
    assert prepared.host == configuration.book.host_of(KEY) == "new.example"


def test_host_of_an_unknown_or_broken_target_is_empty() -> None:
    broken = {KEY: (POLICY, Target(address="http://[x/"))}
    assert Configuration(broken).book.host_of(KEY) == ""
    assert Configuration({}).book.host_of(KEY) == ""
