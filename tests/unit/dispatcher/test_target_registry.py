"""What the configuration says about a target."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from sidecar.dispatcher.request import PreparedTarget, make_tls_contexts
from sidecar.dispatcher.target_registry import TargetRegistry
from sidecar.model.delivery import TargetKey, Unreachable
from sidecar.model.secrets import Secret
from sidecar.policies.policy import WebhookPolicy
from sidecar.policies.target import Target, TlsFiles
from sidecar.queue.schedule import RetrySchedule
from tests.support.builders import START
from tests.support.certificates import write_certificate

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
        self.registry = TargetRegistry(lambda: dict(self.policies), lambda: self.enabled, TLS, {})
        self.registry.refresh()


def test_a_configured_target_is_not_held() -> None:
    configuration = Configuration()
    assert configuration.registry.closed_reason(KEY) == ""
    assert isinstance(configuration.registry.prepared(KEY), PreparedTarget)


def test_removed_disabled_and_switched_off_are_told_apart() -> None:
    disabled = {KEY: (replace(POLICY, enabled=False), TARGET)}
    assert "removed" in Configuration({}).registry.closed_reason(KEY)
    assert "disabled" in Configuration(disabled).registry.closed_reason(KEY)
    assert "switched off" in Configuration(enabled=False).registry.closed_reason(KEY)


def test_a_target_that_is_gone_stays_so_wherever_it_stands_in_its_policy() -> None:
    first, second = TARGET, Target(address="https://second.example/")
    both = replace(POLICY, targets=(first, second))
    moved_from = TargetKey(policy_id="prj/ci", index=1)
    configuration = Configuration({KEY: (both, first), moved_from: (both, second)})
    assert configuration.registry.disable(moved_from, at=START)
    configuration.policies = {KEY: (replace(POLICY, targets=(second,)), second)}
    configuration.registry.refresh()
    assert "410" in configuration.registry.closed_reason(KEY)
    assert configuration.registry.take_forgotten() == {moved_from}
    (kept,) = configuration.registry.take_moved()
    assert kept.target == KEY
    assert configuration.registry.take_moved() == []
    configuration.registry.follow([], read_s=0.0)
    assert "410" in configuration.registry.closed_reason(KEY), "until the store has it"
    configuration.registry.is_kept(KEY, at_s=1.0)
    configuration.registry.follow([kept], read_s=2.0)
    assert configuration.registry.number_disabled == 1
    configuration.registry.follow([], read_s=3.0)
    assert configuration.registry.closed_reason(KEY) == "", "somebody enabled it"


def test_a_target_that_is_gone_stays_held_until_its_own_address_changes() -> None:
    configuration = Configuration()
    assert configuration.registry.disable(KEY, at=START)
    other = TargetKey(policy_id="prj/other", index=0)
    configuration.policies[other] = POLICY, TARGET
    configuration.policies[KEY] = replace(POLICY, name="renamed"), replace(TARGET, auth_header=Secret("new"))
    configuration.registry.refresh()
    assert "410" in configuration.registry.closed_reason(KEY)
    assert configuration.registry.number_disabled == 1
    assert configuration.registry.take_forgotten() == set()
    configuration.policies[KEY] = POLICY, Target(address="https://new.example/")
    configuration.registry.refresh()
    assert configuration.registry.closed_reason(KEY) == ""
    assert configuration.registry.take_forgotten() == {KEY}
    assert configuration.registry.take_forgotten() == set()


def test_what_the_store_keeps_holds_a_target() -> None:
    gone = Configuration().registry.disable(KEY, at=START)
    assert gone
    registry = Configuration().registry
    registry.follow([gone], read_s=1)
    assert "410" in registry.closed_reason(KEY)
    registry.follow([], read_s=2)  # enabled by somebody
    assert registry.closed_reason(KEY) == ""


def test_what_the_store_keeps_of_another_address_or_a_removed_policy_is_forgotten() -> None:
    gone = Configuration().registry.disable(KEY, at=START)
    assert gone
    for policies in ({KEY: (POLICY, Target(address="https://new.example/"))}, {}):
        registry = Configuration(policies).registry
        registry.follow([gone], read_s=1)
        assert registry.number_disabled == 0
        assert registry.take_forgotten() == {KEY}


def test_what_the_store_was_not_given_yet_when_it_was_read_stays() -> None:
    registry = Configuration().registry
    registry.disable(KEY, at=START)
    registry.follow([], read_s=1)  # still on its way to the store
    assert registry.closed_reason(KEY)
    registry.is_kept(KEY, at_s=3)
    registry.follow([], read_s=2)  # read before it was written
    assert registry.closed_reason(KEY)
    registry.follow([], read_s=4)
    assert registry.closed_reason(KEY) == ""


def test_a_target_that_was_removed_cannot_be_disabled() -> None:
    assert Configuration({}).registry.disable(KEY, at=START) is None


def test_policy_has_a_schedule_and_time_limit_of_its_own_or_the_common_ones() -> None:
    common = RetrySchedule(max_failures=10, waits_s=(5.0,))
    configuration = Configuration()
    assert configuration.registry.schedule_of(KEY, common) == common
    own = replace(POLICY, max_retry=2, retry_waits_s=(1.0, 2.0), timeout_s=0.5)
    configuration.policies[KEY] = own, TARGET
    before = configuration.registry.prepared(KEY)
    configuration.registry.refresh()
    after = configuration.registry.prepared(KEY)
    assert configuration.registry.schedule_of(KEY, common) == RetrySchedule(
        max_failures=2, waits_s=(1.0, 2.0)
    )
    assert isinstance(before, PreparedTarget)
    assert isinstance(after, PreparedTarget)
    assert before.limits is None
    assert after.limits
    assert (after.limits.whole_s, after.limits.connect_s) == (0.5, 0.5)
    assert configuration.registry.schedule_of(TargetKey(policy_id="x", index=0), common) == common


def test_what_cannot_be_used_now_is_tried_again(tmp_path: Path) -> None:
    certificate = write_certificate(tmp_path / "tls")
    missing = tmp_path / "ca.pem"
    target = replace(TARGET, tls=TlsFiles(ca_file=str(missing)))
    configuration = Configuration({KEY: (POLICY, target)})
    refused = configuration.registry.prepared(KEY)
    assert isinstance(refused, Unreachable)
    assert refused.reason == "the target's certificate files cannot be used: No such file or directory"
    missing.write_bytes(certificate.path.read_bytes())
    assert isinstance(configuration.registry.prepared(KEY), PreparedTarget)


def test_a_corrected_address_is_used_after_the_change_is_told() -> None:
    configuration = Configuration()
    assert configuration.registry.host_of(KEY) == "ci.example"
    configuration.registry.prepared(KEY)
    configuration.policies[KEY] = POLICY, Target(address="https://new.example/")
    configuration.registry.refresh()
    prepared = configuration.registry.prepared(KEY)
    assert isinstance(prepared, PreparedTarget)
    assert prepared.route.host == configuration.registry.host_of(KEY) == "new.example"


def test_host_of_an_unknown_or_broken_target_is_empty() -> None:
    broken = {KEY: (POLICY, Target(address="http://[x/"))}
    assert Configuration(broken).registry.host_of(KEY) == ""
    assert Configuration({}).registry.host_of(KEY) == ""
