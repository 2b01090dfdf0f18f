"""Targets that are there no longer because their address was corrected, or their id: others get what waits for them.

It is handed over when a configuration is applied. Another process may store a delivery for the old target a moment later:
that is handed over instead of cancelled.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime

from sidecar.dispatcher.target_registry import TargetRegistry
from sidecar.model.delivery import Delivery, TargetKey
from sidecar.policies.target_ids import successors
from sidecar.store.claims import Claimed
from sidecar.store.disabled import DisabledTarget
from sidecar.store.outbox import Outbox


def elsewhere(disabled: Mapping[TargetKey, DisabledTarget], registry: TargetRegistry) -> list[DisabledTarget]:
    """Those disabled that have another id now, as the store is to have them."""
    found: dict[TargetKey, DisabledTarget] = {}
    for entry in disabled.values():
        if not registry.is_still(entry):
            for key, target in registry.targets_of(entry.target.policy_id):
                if (
                    key not in found
                    and _is_free(disabled.get(key), registry)
                    and entry.is_about(target.address)
                ):
                    found[key] = replace(entry, target=key)
                    break
    return list(found.values())


def _is_free(entry: DisabledTarget | None, registry: TargetRegistry) -> bool:
    return entry is None or not registry.is_still(entry)


class SucceededOutbox:
    """An outbox (`queue.jobs.Jobs`) in which targets that are gone have successors."""

    def __init__(self, outbox: Outbox, registry: TargetRegistry) -> None:
        self._outbox = outbox
        self._registry = registry
        self._successors: dict[TargetKey, TargetKey] = {}
        self._is_changed = True

    def policies_changed(self) -> None:
        """The registry has another configuration."""
        self._is_changed = True

    async def follow(self) -> None:
        """Hand over what waits for targets of the configuration before; nothing if it is the same."""
        if not self._is_changed:
            return
        policies = self._registry.policies()
        found = await self._outbox.apply_targets(
            {policy_id: policy.target_ids for policy_id, policy in policies.items()},
            lambda policy_id, before, waiting: successors(
                policies[policy_id].targets, before=before, waiting=waiting
            ),
        )
        self._is_changed = policies != self._registry.policies()
        self._successors |= found
        self._outbox.stored(frozenset(found.values()))

    def on_stored(self, callback: Callable[[frozenset[TargetKey]], None]) -> None:
        self._outbox.on_stored(callback)

    async def queues_waiting(self) -> Mapping[TargetKey, datetime]:
        return await self._outbox.queues_waiting()

    async def claim(self, target: TargetKey, *, limit: int, now: datetime, skip: Collection[str]) -> Claimed:
        return await self._outbox.claim(target, limit=limit, now=now, skip=skip)

    async def release(self, deliveries: Collection[Delivery]) -> None:
        await self._outbox.release(deliveries)

    async def bring_forward(
        self, target: TargetKey, *, away_since: datetime, back_at: datetime, limit: int
    ) -> int:
        return await self._outbox.bring_forward(target, away_since=away_since, back_at=back_at, limit=limit)

    async def cancel_waiting(self, target: TargetKey, *, reason: str) -> int:
        """Nothing is cancelled that has a successor."""
        await self.follow()
        successor = self._successors.get(target)
        if successor is None or self._registry.has(target) or not self._registry.has(successor):
            return await self._outbox.cancel_waiting(target, reason=reason)
        await self._outbox.hand_over(target, successor)
        self._outbox.stored(frozenset({successor}))
        return 0
