"""What the configuration says about each target, as the dispatcher needs it.

A snapshot of the policies that is taken when they change.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import urlsplit

from sidecar.dispatcher.request import PreparedTarget, TlsContexts, prepare
from sidecar.model.delivery import TargetKey, Unreachable
from sidecar.policies.policy import WebhookPolicy
from sidecar.policies.target import Target
from sidecar.queue.schedule import RetrySchedule
from sidecar.store.away import AwayTarget
from sidecar.store.disabled import DisabledTarget, hash_of

Targets = Mapping[TargetKey, tuple[WebhookPolicy, Target]]

REMOVED: Final = "the policy or its target was removed"


@dataclass(slots=True)
class TargetRegistry:
    targets: Callable[[], Targets]  #: the current configuration
    is_enabled: Callable[[], bool]  #: the global switch
    tls: TlsContexts
    environment: Mapping[str, str]  #: where proxies are named
    _current: Targets = field(default_factory=dict)
    _prepared: dict[TargetKey, tuple[tuple[Target, float | None], PreparedTarget]] = field(
        default_factory=dict
    )

    def refresh(self) -> None:
        """Take the configuration as it is now."""
        self._current = self.targets()
        self._prepared = {
            key: entry
            for key, entry in self._prepared.items()
            if key in self._current and _options(*self._current[key]) == entry[0]
        }

    def is_still(self, said: DisabledTarget | AwayTarget) -> bool:
        """Whether what the store keeps of a target is about the one that stands there now."""
        return said.target in self._current and said.is_about(self._current[said.target][1].address)

    def address_hash_of(self, key: TargetKey) -> str:
        """By which the store knows an address; "" for a target that was removed."""
        return hash_of(self._current[key][1].address) if key in self._current else ""

    def closed_reason(self, key: TargetKey) -> str:
        """Why the configuration lets nothing be sent to a target; empty when it does."""
        if not self.is_enabled():
            return "webhooks are switched off"
        if key not in self._current:
            return REMOVED
        if not self._current[key][0].enabled:
            return "the policy is disabled"
        return ""

    def targets_of(self, policy_id: str) -> list[tuple[TargetKey, Target]]:
        """The targets of a policy, in their order."""
        return [(key, target) for key, (_, target) in self._current.items() if key.policy_id == policy_id]

    def policies(self) -> dict[str, WebhookPolicy]:
        """Every policy of the configuration, by its id."""
        return {key.policy_id: policy for key, (policy, _) in self._current.items()}

    def has(self, key: TargetKey) -> bool:
        """Whether the configuration has this target."""
        return key in self._current

    def schedule_of(self, key: TargetKey, default: RetrySchedule) -> RetrySchedule:
        """The schedule of a target's policy; what the policy leaves out is as in `default`."""
        if key not in self._current:
            return default
        policy = self._current[key][0]
        schedule = default
        if policy.max_retry is not None:
            schedule = replace(schedule, max_failures=policy.max_retry)
        if policy.retry_waits_s is not None:
            schedule = replace(schedule, waits_s=policy.retry_waits_s)
        return schedule

    def prepared(self, key: TargetKey) -> PreparedTarget | Unreachable:
        """What to send with, or why nothing can be sent; only for a key that is not held."""
        policy, target = self._current[key]
        if key in self._prepared:
            return self._prepared[key][1]
        ready = prepare(target, tls=self.tls, environment=self.environment, timeout_s=policy.timeout_s)
        if isinstance(ready, PreparedTarget):  # what cannot be used now may be mended without a word to us
            self._prepared[key] = _options(policy, target), ready
        return ready

    def host_of(self, key: TargetKey) -> str:
        """For logs: the host alone, since paths and queries may hold tokens."""
        try:
            return urlsplit(self._current[key][1].address).hostname or ""
        except (KeyError, ValueError):
            return ""


def _options(policy: WebhookPolicy, target: Target) -> tuple[Target, float | None]:
    """All that a prepared target is made of."""
    return target, policy.timeout_s
