"""What the configuration says about each target, as the dispatcher needs it.

A snapshot of the policies that is taken when they change, and beside it which targets have asked, with
410 Gone, to be left alone: a copy of what the store keeps of them.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from sidecar.dispatcher.request import PreparedTarget, TlsContexts, prepare
from sidecar.model.delivery import TargetKey, Unreachable
from sidecar.policies.policy import WebhookPolicy
from sidecar.policies.target import Target
from sidecar.policies.target_marks import find_target
from sidecar.queue.schedule import RetrySchedule
from sidecar.store.away import AwayTarget
from sidecar.store.disabled import DisabledTarget, hash_of

Targets = Mapping[TargetKey, tuple[WebhookPolicy, Target]]

REMOVED: Final = "the policy or its target was removed"
_GONE: Final = "the target answered 410 Gone"
_NOT_YET: Final = float("inf")


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
    _gone: dict[TargetKey, DisabledTarget] = field(default_factory=dict)
    _newer: dict[TargetKey, float] = field(default_factory=dict)  # when the store got it
    _forgotten: set[TargetKey] = field(default_factory=set)
    _moved: list[DisabledTarget] = field(default_factory=list)

    @property
    def number_disabled(self) -> int:
        """How many targets have answered 410 Gone."""
        return len(self._gone)

    def refresh(self) -> None:
        """Take the configuration as it is now; a target whose address has changed may be tried again."""
        self._current = self.targets()
        self._forget_changed()
        self._prepared = {
            key: entry
            for key, entry in self._prepared.items()
            if key in self._current and _options(*self._current[key]) == entry[0]
        }

    def disable(self, key: TargetKey, *, at: datetime) -> DisabledTarget | None:
        """The target answered 410: nothing is sent to it any more. Answers what the store is to keep."""
        if key not in self._current:
            return None
        address = self._current[key][1].address
        self._gone[key] = DisabledTarget(target=key, address_hash=hash_of(address), at=at, reason=_GONE)
        self._newer[key] = _NOT_YET
        return self._gone[key]

    def is_kept(self, key: TargetKey, *, at_s: float) -> None:
        """The store has it: from now on the store is asked."""
        self._newer[key] = at_s

    def follow(self, stored: Iterable[DisabledTarget], *, read_s: float) -> None:
        """Take what the store keeps, read at that time; somebody may have enabled a target there.

        What the store was given only after it was read stays. Times are of one monotonic clock.
        """
        self._newer = {key: kept_s for key, kept_s in self._newer.items() if kept_s >= read_s}
        newer = {key: gone for key, gone in self._gone.items() if key in self._newer}
        self._gone = {gone.target: gone for gone in stored} | newer
        self._forget_changed()

    def take_forgotten(self) -> set[TargetKey]:
        """What the store need not keep any longer."""
        forgotten, self._forgotten = self._forgotten, set()
        return forgotten

    def take_moved(self) -> list[DisabledTarget]:
        """What the store is to keep of targets that stand elsewhere in their policies now."""
        moved, self._moved = self._moved, []
        return moved

    def _forget_changed(self) -> None:
        changed = [gone for gone in self._gone.values() if not self.is_still(gone)]
        for gone in changed:
            del self._gone[gone.target]
        self._forgotten |= {gone.target for gone in changed}
        for gone in changed:
            if moved := self._elsewhere(gone):
                self._gone[moved.target], self._newer[moved.target] = moved, _NOT_YET
                self._forgotten.discard(moved.target)
                self._moved.append(moved)

    def _elsewhere(self, gone: DisabledTarget) -> DisabledTarget | None:
        """The same target where it stands in its policy now."""
        policy_id = gone.target.policy_id
        free = ((key, found) for key, (_, found) in self._current.items() if key not in self._gone)
        places = (key for key, found in free if key.policy_id == policy_id and gone.is_about(found.address))
        place = next(places, None)
        return replace(gone, target=place) if place else None

    def is_still(self, said: DisabledTarget | AwayTarget) -> bool:
        """Whether what the store keeps of a target is about the one that stands there now."""
        return said.target in self._current and said.is_about(self._current[said.target][1].address)

    def address_hash_of(self, key: TargetKey) -> str:
        """By which the store knows an address; "" for a target that was removed."""
        return hash_of(self._current[key][1].address) if key in self._current else ""

    def closed_reason(self, key: TargetKey) -> str:
        """Why nothing is sent to a target at all; empty when it may be."""
        if not self.is_enabled():
            return "webhooks are switched off"
        if key not in self._current:
            return REMOVED
        if not self._current[key][0].enabled:
            return "the policy is disabled"
        return self._gone[key].reason if key in self._gone else ""

    def position_of(self, key: TargetKey, mark: str) -> int | None:
        """Where the target stands now that deliveries with this mark are for; None when it was removed."""
        policy, _ = self._current.get(key) or self._current.get(replace(key, index=0)) or (None, None)
        return find_target(policy, key.index, mark) if policy else key.index

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
