"""The deliveries of one target: claim, attempt, record.

One small loop decides what to claim and when to sleep; a few workers, hired while there is something to
send, each make an attempt and record it. A failed delivery goes back to the store with its next time
and lets later ones pass. Ends when nothing waits for the target; the dispatcher begins a new one when
something is stored.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog

from sidecar.dispatcher.absences import Absences
from sidecar.dispatcher.attempt import TargetClient
from sidecar.dispatcher.circuit_breaker import Outage, Recovery
from sidecar.dispatcher.reporting import Observer, tell
from sidecar.dispatcher.repository_queues import RepositoryQueues
from sidecar.dispatcher.schedule import RetrySchedule, judge
from sidecar.dispatcher.target_registry import REMOVED, TargetRegistry
from sidecar.dispatcher.window import SharedSlots, Window
from sidecar.model.delivery import (
    Accepted,
    Attempt,
    Delivery,
    DeliveryState,
    TargetKey,
    Unreachable,
)
from sidecar.model.errors import StoreUnavailable
from sidecar.store.outbox import Outbox

log = structlog.get_logger()

_LARGEST_BATCH: Final = 256
_LONGEST_SLEEP_S: Final = 60.0  # the clock may be set meanwhile
_STORE_PAUSE_S: Final = 1.0
_LINGER_S: Final = 10.0  # beginning anew costs more than sleeping
# Workers per attempt allowed: most of them wait for the store, which commits many records at once.
_WORKERS_PER_SLOT: Final = 4


@dataclass(slots=True, kw_only=True)
class Means:
    """What all loops share."""

    outbox: Outbox
    client: TargetClient
    book: TargetRegistry
    absences: Absences
    schedule: RetrySchedule
    concurrency: int
    shared: SharedSlots
    hold_s: float
    longest_pause_s: float
    observer: Observer | None
    now: Callable[[], datetime]
    jitter: Callable[[], float]


class TargetLoop:
    def __init__(
        self, key: TargetKey, means: Means, *, on_idle: Callable[[], None], is_left_over: bool = False
    ) -> None:
        """`on_idle` is called in the same step in which the loop decides to end.

        is_left_over    deliveries may wait from before this process, or from another one
        """
        self._key = key
        self._means = means
        self._on_idle = on_idle
        self._lanes = RepositoryQueues()
        self._window = Window(means.concurrency, means.shared)
        self._outage = Outage.unknown() if is_left_over else Outage()
        self._recovery: Recovery | None = None  # what is still to be brought forward
        self._paused_until = 0.0
        self._wakeup = asyncio.Event()
        self._has_more = True  # the store may have something that can be claimed
        self._due: datetime | None = None  # when it will have something
        self._passed_over: frozenset[str] = frozenset()  # repositories skipped by the last claim
        self._held_since = 0.0
        self._workers = 0
        self._sending: dict[UUID, tuple[Delivery, asyncio.Task[None] | None]] = {}
        self._is_changed = False  # what is claimed may be for another target now
        self._is_stopping = False

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as self._group:
                while await self._turn_or_pause():
                    pass
        finally:
            # The workers have ended; what they were made to drop goes back.
            left = [*(delivery for delivery, _ in self._sending.values()), *self._lanes.drain()]
            await self._release(left)

    @property
    def is_failing(self) -> bool:
        return self._outage.in_a_row > 0

    def wake(self) -> None:
        """Something was stored."""
        self._has_more = True
        if self._pause_left_s() <= 0:
            self._wakeup.set()

    def configuration_changed(self) -> None:
        """The target may be another one now: nothing is held against it."""
        self._outage.forgive()
        self._window.resize(self._means.concurrency)
        self._paused_until = 0.0
        self._is_changed = True
        self.wake()

    def stop(self) -> None:
        """Begin nothing any more; `run` returns when the attempts under way are recorded."""
        self._is_stopping = True
        self._wakeup.set()

    def abandon(self) -> None:
        """Break off the attempts under way; those that are being recorded are left to finish."""
        for _, task in self._sending.values():
            if task:
                task.cancel()

    async def _turn_or_pause(self) -> bool:
        try:
            return await self._turn()
        except StoreUnavailable as exc:
            log.warning("store.unavailable", policy=self._key.policy_id, error=str(exc))
            self._has_more = True
            await self._sleep(_STORE_PAUSE_S)
            return not self._is_stopping

    async def _turn(self) -> bool:
        """Do what is to be done now, then sleep until there is more; False when this loop ends."""
        self._wakeup.clear()
        if self._is_stopping:
            return False
        if reason := self._means.book.hold_reason(self._key):
            return await self._hold(reason)
        self._held_since = 0.0
        if self._is_changed:
            self._is_changed = False
            await self._release(self._lanes.drain())
        if (rest_s := self._pause_left_s()) > 0:
            return await self._pause(rest_s)
        if self._lanes.unsent > 2 * self._batch():  # the target began to fail
            await self._release(self._lanes.drain())
            self._has_more = True
        if self._recovery:
            await self._bring_forward(self._recovery)
        if self._wants_claim():
            await self._claim()
        self._hire()
        return self._wants_claim() or await self._rest()

    def _batch(self) -> int:
        """How many deliveries to have in hand: few for a target that fails."""
        return min(4 * self._window.size**2, _LARGEST_BATCH)

    def _wants_claim(self) -> bool:
        return self._has_more and self._lanes.unsent <= self._batch() // 2

    async def _claim(self) -> None:
        self._has_more, self._due = False, None
        limit, self._passed_over = self._batch() - self._lanes.unsent, self._lanes.repositories
        claimed = await self._means.outbox.claim(
            self._key, limit=limit, now=self._means.now(), skip_repositories=self._passed_over
        )
        self._lanes.add(await self._keep_mine(claimed.deliveries))
        self._has_more |= claimed.is_full
        self._is_due(claimed.next_due)

    async def _keep_mine(self, deliveries: list[Delivery]) -> list[Delivery]:
        """Without those whose target stands elsewhere in the policy now, or nowhere; see to these."""
        moved = self._moved(delivery.target_mark for delivery in deliveries)
        if not moved:
            return deliveries
        places = {found.id: moved[found.target_mark] for found in deliveries if found.target_mark in moved}
        await self._write(self._means.outbox.move(places, reason=REMOVED))
        self._tell_cancelled(sum(index is None for index in places.values()), REMOVED)
        return [delivery for delivery in deliveries if delivery.id not in places]

    def _moved(self, marks: Iterable[str]) -> dict[str, int | None]:
        """Of these marks those whose target stands elsewhere in the policy now, and where; None for nowhere."""
        places = {mark: self._means.book.place_of(self._key, mark) for mark in set(marks)}
        return {mark: index for mark, index in places.items() if index != self._key.index}

    def _is_due(self, at: datetime | None) -> None:
        """A delivery waits in the store until then."""
        if at:
            self._due = min(self._due or at, at)

    async def _bring_forward(self, recovery: Recovery) -> None:
        number = await self._means.outbox.bring_forward(
            self._key, away_since=recovery.away_since, back_at=recovery.back_at, limit=_LARGEST_BATCH
        )
        if number:
            self._has_more = True
            log.info("target.is_back", policy=self._key.policy_id, brought_forward=number)
        if number < _LARGEST_BATCH and self._recovery is recovery:
            self._recovery = None

    async def _rest(self) -> bool:
        """Sleep until something is due; False when nothing waits at all."""
        if self._lanes.ready or self._has_more:  # there is enough in hand: a worker will say when not
            await self._wakeup.wait()
        elif self._due:
            wait_s = (self._due - self._means.now()).total_seconds()
            if not await self._sleep(min(max(wait_s, 0), _LONGEST_SLEEP_S)):
                self._has_more = True
        elif self._workers:
            await self._wakeup.wait()
        elif not await self._sleep(_LINGER_S):
            self._on_idle()
            return False
        return True

    async def _sleep(self, wait_s: float) -> bool:
        """Whether something woke this loop before the time was over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._wakeup.wait()
        return self._wakeup.is_set()

    async def _pause(self, rest_s: float) -> bool:
        """Leave the target alone, whatever comes for it."""
        await self._release(self._lanes.drain())
        self._has_more = True
        await self._sleep(rest_s)
        return True

    async def _hold(self, reason: str) -> bool:
        """Send nothing; cancel what waits, once the reason has held for a moment."""
        await self._release(self._lanes.drain())
        now = asyncio.get_running_loop().time()
        self._held_since = self._held_since or now
        if (rest_s := self._held_since + self._means.hold_s - now) > 0:
            await self._sleep(rest_s)
            return True
        self._has_more = False
        await self._cancel(reason)
        if self._workers:
            await self._wakeup.wait()
        elif not self._has_more:
            self._on_idle()
            return False
        return True

    async def _cancel(self, reason: str) -> None:
        await self._move_away()
        self._tell_cancelled(await self._means.outbox.cancel_waiting(self._key, reason=reason), reason)

    async def _move_away(self) -> None:
        """Let go of what is for a target that stands elsewhere in the policy now."""
        outbox = self._means.outbox
        moved = self._moved(await outbox.marks_waiting(self._key))
        if there := {mark: index for mark, index in moved.items() if index is not None}:
            await outbox.move_waiting(self._key, there)

    def _tell_cancelled(self, number: int, reason: str) -> None:
        if number:
            log.info("delivery.cancelled", policy=self._key.policy_id, number=number, reason=reason)
        if number and (observer := self._means.observer):
            observer.delivery_ended(DeliveryState.CANCELLED, number)

    async def _release(self, deliveries: list[Delivery]) -> None:
        if deliveries:
            await self._write(self._means.outbox.release(deliveries))

    async def _write(self, writing: Awaitable[None]) -> None:
        """Of what the store keeps in memory until it can be written."""
        try:
            await writing
        except StoreUnavailable as exc:
            log.warning("store.unavailable", policy=self._key.policy_id, error=str(exc))

    def _hire(self) -> None:
        wanted = min(self._lanes.ready, self._window.size * _WORKERS_PER_SLOT)
        while self._workers < wanted:
            self._workers += 1
            self._group.create_task(self._work())

    async def _work(self) -> None:
        try:
            while await self._send_next():
                pass
        finally:
            self._workers -= 1
            self._wakeup.set()

    async def _send_next(self) -> bool:
        async with self._window:
            delivery = self._next()
            if delivery is None:
                return False
            began_s = asyncio.get_running_loop().time()
            attempt = await self._attempt(delivery)
            self._take_notice(attempt, began_s)
            del self._sending[delivery.id]
            self._free(delivery.repository)
        await self._record(delivery, attempt)
        await self._write(
            self._means.absences.take_notice(
                self._key, self._outage, attempt.result, pause_s=self._pause_left_s()
            )
        )
        return True

    def _next(self) -> Delivery | None:
        if self._is_stopping or self._is_changed or self._means.book.hold_reason(self._key):
            return None
        return None if self._pause_left_s() > 0 else self._lanes.next()

    def _pause_left_s(self) -> float:
        return self._paused_until - asyncio.get_running_loop().time()

    def _take_notice(self, attempt: Attempt, began_s: float) -> None:
        """Let what happened decide how the next attempts are made; before any is begun."""
        means, now_s = self._means, asyncio.get_running_loop().time()
        self._window.judge(is_success=isinstance(attempt.result, Accepted))
        recovery = self._outage.note(attempt.result, began_s=began_s, ended_s=now_s, at=means.now())
        if recovery:
            self._recovery = recovery
            self._wakeup.set()
        elif pause_s := self._outage.pause_s(self._schedule().wait_s(1), longest_s=means.longest_pause_s):
            self._paused_until = now_s + pause_s
            self._wakeup.set()

    def _schedule(self) -> RetrySchedule:
        return self._means.book.schedule_of(self._key, self._means.schedule)

    def _free(self, repository: str) -> None:
        if self._lanes.free(repository) and repository in self._passed_over:
            self._has_more = True
        self._hire()
        if self._wants_claim() or self._lanes.unsent > 2 * self._batch():
            self._wakeup.set()

    async def _attempt(self, delivery: Delivery) -> Attempt:
        self._sending[delivery.id] = delivery, asyncio.current_task()
        prepared = self._means.book.prepared(self._key)
        if isinstance(prepared, Unreachable):
            return self._failed_attempt(delivery, prepared)
        try:
            return await self._means.client.attempt(delivery, prepared)
        except Exception as exc:  # our bug must not lose the delivery, nor stop those of others
            log.exception("attempt.crashed", delivery_id=str(delivery.id))
            return self._failed_attempt(delivery, Unreachable(f"internal error: {type(exc).__name__}"))

    def _failed_attempt(self, delivery: Delivery, result: Unreachable) -> Attempt:
        return Attempt(
            delivery_id=delivery.id,
            number=delivery.attempts + 1,
            started_at=self._means.now(),
            duration_ms=0.0,
            result=result,
        )

    async def _record(self, delivery: Delivery, attempt: Attempt) -> None:
        means = self._means
        verdict = judge(
            attempt.result,
            failures=delivery.failures,
            schedule=self._schedule(),
            now=means.now(),
            jitter=means.jitter(),
        )
        disabled = means.book.disable(self._key, at=means.now()) if verdict.is_target_gone else None
        tell(delivery, attempt, verdict, host=lambda: means.book.host_of(self._key), observer=means.observer)
        await self._write(
            means.outbox.finish(attempt, state=verdict.state, next_attempt_at=verdict.next_attempt_at)
        )
        if disabled:
            await self._write(means.outbox.disabled.disable(disabled))
            means.book.is_kept(self._key, at_s=asyncio.get_running_loop().time())
        self._is_due(verdict.next_attempt_at)
        if verdict.state is not DeliveryState.DELIVERED:
            self._wakeup.set()
