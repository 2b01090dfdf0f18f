"""Starts a loop for every target that has work, and stops them all.

At start, and every few seconds, the store is asked which targets have deliveries waiting: that is how
deliveries outlive a restart, and how those stored by another process are found.
"""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import structlog

from sidecar.dispatcher.absences import Absences
from sidecar.dispatcher.attempt import TargetClient
from sidecar.dispatcher.circuit_breaker import LONGEST_PAUSE_S
from sidecar.dispatcher.egress import EgressRules
from sidecar.dispatcher.reporting import Observer
from sidecar.dispatcher.request import make_tls_contexts
from sidecar.dispatcher.schedule import RetrySchedule
from sidecar.dispatcher.target_loop import Means, TargetLoop
from sidecar.dispatcher.target_registry import TargetRegistry, Targets
from sidecar.dispatcher.window import SharedSlots
from sidecar.model.delivery import TargetKey
from sidecar.model.errors import StoreUnavailable
from sidecar.store.faults import log_failure
from sidecar.store.outbox import Outbox

log = structlog.get_logger()

_RECORDING_S: Final = 5.0  # after the grace, for what is only waiting for the store


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatcherSettings:
    """How deliveries are sent."""

    schedule: RetrySchedule = field(default_factory=RetrySchedule)
    timeout_s: float = 10.0  #: one whole attempt
    egress: EgressRules = field(default_factory=EgressRules)
    concurrency: int = 8  #: attempts under way to one target
    shared_slots: int = 1000  #: attempts under way beyond the first of each target, all together
    trust_env: bool = True  #: use HTTP_PROXY, HTTPS_PROXY and NO_PROXY
    #: How long a policy must be gone or disabled before what waits for it is cancelled: worker processes do
    #: not read a changed configuration in the same instant, and deliveries may come before their policy.
    hold_s: float = 2.0
    longest_pause_s: float = LONGEST_PAUSE_S  #: between attempts at a target that fails and fails
    poll_s: float = 5.0  #: how often to look for deliveries stored by another process


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Dispatcher:
    def __init__(
        self,
        *,
        outbox: Outbox,
        targets: Callable[[], Targets],
        is_enabled: Callable[[], bool],
        settings: DispatcherSettings,
        observer: Observer | None = None,
        now: Callable[[], datetime] = _utc_now,
        jitter: Callable[[], float] = random.random,
        on_failure: Callable[[str, BaseException], None] = log_failure,
    ) -> None:
        """`targets` and `is_enabled` answer for the current configuration: see `policies_changed`.

        on_failure   gets what failed by a bug of ours; it goes on all the same
        """
        self._on_failure = on_failure
        self._outbox = outbox
        self._poll_s = settings.poll_s
        self._loops: dict[TargetKey, TargetLoop] = {}
        self._poll_now = asyncio.Event()
        self._ended = asyncio.Event()
        self._is_running = self._is_stopping = False
        book = TargetRegistry(
            targets=targets,
            is_enabled=is_enabled,
            tls=make_tls_contexts(),
            environment=dict(os.environ) if settings.trust_env else {},
        )
        self._means = Means(
            outbox=outbox,
            client=TargetClient(timeout_s=settings.timeout_s, rules=settings.egress, now=now),
            book=book,
            absences=Absences(outbox.away, book, now),
            schedule=settings.schedule,
            concurrency=settings.concurrency,
            shared=SharedSlots(settings.shared_slots),
            hold_s=settings.hold_s,
            longest_pause_s=settings.longest_pause_s,
            observer=observer,
            now=now,
            jitter=jitter,
        )

    async def run(self) -> None:
        """Deliver until `stop` is called."""
        self._is_running = True
        self._means.book.refresh()
        await self._try(self._follow_disabled)
        await self._try(self._means.absences.follow)
        self._outbox.on_stored(self._wake)
        try:
            async with self._means.client, asyncio.TaskGroup() as self._group:
                while not self._is_stopping:
                    await self._poll()
                    await self._rest()
        finally:
            self._is_running = False
            self._ended.set()

    async def stop(self, grace_s: float) -> None:
        """Begin no attempt any more; what is not answered within the grace goes back to the store."""
        self._is_stopping = True
        self._poll_now.set()
        if not self._is_running:
            return
        for loop in self._loops.values():
            loop.stop()
        if not await self._has_ended(grace_s):
            for loop in self._loops.values():
                loop.abandon()
            await self._has_ended(_RECORDING_S)

    @property
    def targets_disabled(self) -> int:
        """How many targets answered 410 Gone and get nothing."""
        return self._means.book.number_disabled

    def policies_changed(self) -> None:
        """Policies, targets or the global switch have changed: take them as they are now."""
        self._means.book.refresh()
        self._means.absences.void()
        for loop in self._loops.values():
            loop.configuration_changed()
        self._poll_now.set()

    def reconfigure(self, settings: DispatcherSettings) -> None:
        """Use another schedule, time limit and egress rules from the next attempt on."""
        self._means.schedule = settings.schedule
        self._means.client.reconfigure(timeout_s=settings.timeout_s, rules=settings.egress)
        self._means.concurrency = settings.concurrency

    async def _poll(self) -> None:
        self._poll_now.clear()
        await self._try(self._follow_disabled)
        await self._try(self._means.absences.follow)
        await self._try(self._follow_waiting)

    async def _try(self, look: Callable[[], Awaitable[None]]) -> None:
        try:
            await look()
        except StoreUnavailable as exc:
            log.warning("store.unavailable", error=str(exc))
        except Exception as exc:  # noqa: BLE001  # our bug; what is stored from now on is delivered all the same
            self._on_failure("dispatcher", exc)

    async def _follow_waiting(self) -> None:
        self._look_after(await self._outbox.targets_waiting())

    async def _rest(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._poll_s):
                await self._poll_now.wait()

    async def _follow_disabled(self) -> None:
        """See to it that the store and the address book name the same targets."""
        book, kept = self._means.book, self._outbox.disabled
        now_s = asyncio.get_running_loop().time
        if forgotten := book.take_forgotten():
            await kept.enable(forgotten)
        for moved in book.take_moved():
            await kept.disable(moved)
            book.is_kept(moved.target, at_s=now_s())
        read_s = now_s()
        book.follow(await kept.all(), read_s=read_s)

    def _wake(self, keys: Iterable[TargetKey]) -> None:
        if self._is_stopping or not self._is_running:
            return
        failing: list[TargetLoop] = []
        for key in keys:
            if loop := self._loops.get(key):
                if loop.is_failing:
                    failing.append(loop)
                else:
                    loop.wake()
            else:
                self._begin(key)
        for loop in failing:  # after those that will take it
            loop.wake()

    def _look_after(self, waiting: Mapping[TargetKey, datetime]) -> None:
        """See to deliveries that nobody told of."""
        now = self._means.now()
        self._wake(key for key, due in waiting.items() if key in self._loops and due <= now)
        if not self._is_stopping:
            for key in waiting.keys() - self._loops.keys():
                self._begin(key, is_left_over=True)

    def _begin(self, key: TargetKey, *, is_left_over: bool = False) -> None:
        loop = TargetLoop(
            key, self._means, on_idle=lambda: self._forget(key, loop), is_left_over=is_left_over
        )
        self._loops[key] = loop
        self._group.create_task(self._run_loop(key, loop))

    async def _run_loop(self, key: TargetKey, loop: TargetLoop) -> None:
        try:
            await loop.run()
        except Exception as exc:  # noqa: BLE001  # our bug, for this target alone; the next poll begins it again
            self._on_failure("target", exc)
        finally:
            self._forget(key, loop)

    def _forget(self, key: TargetKey, loop: TargetLoop) -> None:
        if self._loops.get(key) is loop:
            del self._loops[key]

    async def _has_ended(self, within_s: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._ended.wait()
        return self._ended.is_set()
