"""Targets that stand elsewhere in their policies now.

Deliveries are stored for the position of a target in its policy, with a mark of the target that they were
made for, and so are disabled targets, with a hash of the address. Where the policy has changed, both go to where
the target stands now.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from sidecar.dispatcher.reporting import Reporter
from sidecar.dispatcher.target_registry import REMOVED, TargetRegistry
from sidecar.model.delivery import Delivery, TargetKey
from sidecar.queue.jobs import store_when_possible
from sidecar.store.claims import Claimed
from sidecar.store.disabled import DisabledTarget
from sidecar.store.outbox import Outbox


def elsewhere(disabled: Mapping[TargetKey, DisabledTarget], registry: TargetRegistry) -> list[DisabledTarget]:
    """Those disabled that stand elsewhere now, as the store is to have them."""
    moved: dict[TargetKey, DisabledTarget] = {}
    for entry in disabled.values():
        if not registry.is_still(entry):
            for key, target in registry.targets_of(entry.target.policy_id):
                if (
                    key not in moved
                    and _is_free(disabled.get(key), registry)
                    and entry.is_about(target.address)
                ):
                    moved[key] = replace(entry, target=key)
                    break
    return list(moved.values())


def _is_free(entry: DisabledTarget | None, registry: TargetRegistry) -> bool:
    return entry is None or not registry.is_still(entry)


class MovingOutbox:
    """An outbox (`queue.jobs.Jobs`) of which each target gets its own deliveries only."""

    def __init__(self, outbox: Outbox, registry: TargetRegistry, reporter: Reporter) -> None:
        self._outbox = outbox
        self._registry = registry
        self._reporter = reporter

    def on_stored(self, callback: Callable[[frozenset[TargetKey]], None]) -> None:
        self._outbox.on_stored(callback)

    async def queues_waiting(self) -> Mapping[TargetKey, datetime]:
        return await self._outbox.queues_waiting()

    async def release(self, deliveries: Collection[Delivery]) -> None:
        await self._outbox.release(deliveries)

    async def bring_forward(
        self, target: TargetKey, *, away_since: datetime, back_at: datetime, limit: int
    ) -> int:
        return await self._outbox.bring_forward(target, away_since=away_since, back_at=back_at, limit=limit)

    async def claim(self, target: TargetKey, *, limit: int, now: datetime, skip: Collection[str]) -> Claimed:
        """Without those whose target stands elsewhere, or nowhere; these are seen to."""
        claimed = await self._outbox.claim(target, limit=limit, now=now, skip=skip)
        moved = self._moved(target, (delivery.target_mark for delivery in claimed.jobs))
        if not moved:
            return claimed
        positions = {job.id: moved[job.target_mark] for job in claimed.jobs if job.target_mark in moved}
        await store_when_possible(self._outbox.move(positions, reason=REMOVED), {"policy": target.policy_id})
        self._reporter.cancelled(target, sum(index is None for index in positions.values()), REMOVED)
        return replace(claimed, jobs=[job for job in claimed.jobs if job.id not in positions])

    async def cancel_waiting(self, target: TargetKey, *, reason: str) -> int:
        """But for what waits for a target that stands elsewhere: that goes there."""
        moved = self._moved(target, await self._outbox.marks_waiting(target))
        if elsewhere := {mark: index for mark, index in moved.items() if index is not None}:
            await self._outbox.move_waiting(target, elsewhere)
        return await self._outbox.cancel_waiting(target, reason=reason)

    def _moved(self, target: TargetKey, marks: Iterable[str]) -> dict[str, int | None]:
        """Of these marks those whose target stands elsewhere now, and where; None for nowhere."""
        positions = {mark: self._registry.position_of(target, mark) for mark in set(marks)}
        return {mark: index for mark, index in positions.items() if index != target.index}
