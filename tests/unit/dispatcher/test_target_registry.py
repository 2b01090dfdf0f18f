"""What the configuration says about a target."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from sidecar.dispatcher.request import PreparedTarget, make_tls_contexts
from sidecar.dispatcher.target_registry import TargetRegistry
from sidecar.model.delivery import TargetKey, Unreachable
from sidecar.policies.policy import WebhookPolicy
from sidecar.policies.target import Target, TlsFiles
from sidecar.queue.schedule import RetrySchedule
from tests.support.certificates import write_certificate

KEY = TargetKey(policy_id="prj/ci", target_id="0")
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
    assert configuration.registry.schedule_of(TargetKey(policy_id="x", target_id="0"), common) == common


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
