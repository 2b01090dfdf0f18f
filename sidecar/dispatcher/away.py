"""Which targets are left alone, and until when: noted in the store, for people who ask why deliveries wait."""

from collections.abc import Callable
from datetime import datetime, timedelta

from sidecar.dispatcher.target_registry import TargetRegistry
from sidecar.model.delivery import Accepted, AttemptResult, Rejected, TargetKey, Unreachable
from sidecar.queue.circuit_breaker import CircuitBreaker
from sidecar.store.away import AwayTarget, AwayTargets


class AwayNotes:
    """A copy of what the store keeps; each change of it goes to the store. Raises StoreUnavailable."""

    def __init__(self, stored: AwayTargets, registry: TargetRegistry, now: Callable[[], datetime]) -> None:
        self._stored = stored
        self._registry = registry
        self._now = now
        self._known: dict[TargetKey, datetime] = {}  # since when
        self._is_loaded = self._is_void = False

    def void(self) -> None:
        """The configuration has changed: nothing is held against any target."""
        self._is_void = True

    async def follow(self) -> None:
        """Read what an earlier process has left, and forget what is true no longer."""
        if not self._is_loaded:
            left = await self._stored.all()
            self._known |= {away.target: away.since for away in left}
            await self._forget({away.target for away in left if not self._registry.is_still(away)})
            self._is_loaded = True
        if self._is_void:
            self._is_void = False
            await self._forget(set(self._known))

    def knows(self, key: TargetKey) -> bool:
        """Whether a target is noted as away."""
        return key in self._known

    async def take_notice(
        self, key: TargetKey, result: AttemptResult, breaker: CircuitBreaker, *, at_s: float
    ) -> None:
        """An attempt has ended, and the target is left alone for a while, or not at all.

        at_s   of the clock that the breaker's seconds are of
        """
        if isinstance(result, Accepted):
            if key in self._known:
                await self._forget({key})
            return
        pause_s = breaker.paused_until_s - at_s
        if pause_s > 0:
            await self._note(key, result, since=breaker.failing_since, pause_s=pause_s)

    async def _note(
        self, key: TargetKey, result: Rejected | Unreachable, *, since: datetime | None, pause_s: float
    ) -> None:
        address_hash, now = self._registry.address_hash_of(key), self._now()
        if not address_hash:  # removed meanwhile
            return
        since = self._known.setdefault(key, since or now)
        await self._stored.note(
            AwayTarget(
                target=key,
                address_hash=address_hash,
                since=since,
                until=now + timedelta(seconds=pause_s),
                reason=result.reason if isinstance(result, Unreachable) else f"answered {result.status}",
            )
        )

    async def _forget(self, keys: set[TargetKey]) -> None:
        if keys:
            await self._stored.forget(keys)
            self._known = {key: since for key, since in self._known.items() if key not in keys}
