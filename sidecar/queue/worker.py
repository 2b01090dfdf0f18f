"""One queue: what to claim, when to pause, when to cancel what waits, when to end.

A small loop decides; a few tasks, hired while there is something to begin, try the jobs. A job that
failed goes back to the store with its next time and lets later ones pass. Ends when nothing waits in the
queue; the keeper begins a new one when something is stored.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Generic

import structlog

from sidecar.model.errors import StoreUnavailable
from sidecar.queue.circuit_breaker import Recovery
from sidecar.queue.claims import Claims
from sidecar.queue.crew import Crew
from sidecar.queue.jobs import Jobs, JobT, KeyT, ResultT, Work
from sidecar.queue.pace import LARGEST_BATCH, Pace, QueueSettings

log = structlog.get_logger()

_LONGEST_SLEEP_S: Final = 60.0  # the clock may be set meanwhile
_STORE_PAUSE_S: Final = 1.0
_LINGER_S: Final = 10.0  # beginning anew costs more than sleeping


class _Stopping:
    """Nothing is begun any more."""


class _Open:
    """Jobs are claimed and tried."""


@dataclass(frozen=True, slots=True)
class _Closed:
    """No job may be tried at all."""

    reason: str


class _Changed:
    """What is claimed may have to be claimed anew."""


@dataclass(frozen=True, slots=True)
class _Paused:
    """The queue is left alone, whatever comes for it."""

    left_s: float


# Asked for each job: made once.
_STOPPING, _CHANGED, _OPEN = _Stopping(), _Changed(), _Open()
_State = _Stopping | _Closed | _Changed | _Paused | _Open


class QueueWorker(Generic[KeyT, JobT, ResultT]):
    def __init__(
        self,
        queue: KeyT,
        jobs: Jobs[KeyT, JobT],
        work: Work[JobT, ResultT],
        settings: QueueSettings,
        *,
        on_idle: Callable[[], None],
        is_left_over: bool = False,
    ) -> None:
        """`on_idle` is called in the same step in which the worker decides to end.

        is_left_over    jobs may wait from before this process, or from another one
        """
        self._queue = queue
        self._jobs = jobs
        self._work = work
        self._settings = settings
        self._on_idle = on_idle
        self._wakeup = asyncio.Event()
        self._claims = Claims(queue, jobs, now=settings.now, log_fields=work.log_fields)
        self._pace = Pace(settings, is_left_over=is_left_over)
        self._crew = Crew(
            work,
            self._claims,
            self._pace,
            may_begin=lambda: self._state() is _OPEN,
            wakeup=self._wakeup,
        )
        self._closed_since_s = 0.0
        self._is_changed = False
        self._is_stopping = False

    async def run(self) -> None:
        try:
            async with self._crew.group:
                while await self._turn_or_wait():
                    pass
        finally:
            # The tasks have ended; what they were made to drop goes back.
            await self._claims.give_back(self._crew.dropped())

    @property
    def is_failing(self) -> bool:
        return self._pace.breaker.in_a_row > 0

    def wake(self) -> None:
        """Something was stored."""
        self._claims.has_more = True
        if self._pace.pause_left_s() <= 0:
            self._wakeup.set()

    def reconfigured(self) -> None:
        """Whoever does the work may be another one now, and the settings others."""
        self._pace.begin_afresh()
        self._is_changed = True
        self.wake()

    def stop(self) -> None:
        """Begin nothing any more; `run` returns when the attempts under way are recorded."""
        self._is_stopping = True
        self._wakeup.set()

    def abandon(self) -> None:
        """Break off the attempts under way; those that are being recorded are left to finish."""
        self._crew.abandon()

    async def _turn_or_wait(self) -> bool:
        try:
            return await self._turn()
        except StoreUnavailable as exc:
            log.warning("store.unavailable", error=str(exc), **self._work.log_fields)
            self._claims.has_more = True
            await _is_set_within(self._wakeup, _STORE_PAUSE_S)
            return not self._is_stopping

    async def _turn(self) -> bool:
        """Do what is to be done now, then sleep until there is more; False when this worker ends."""
        self._wakeup.clear()
        state = self._state()
        if not isinstance(state, _Closed):
            self._closed_since_s = 0.0
        match state:
            case _Stopping():
                return False
            case _Closed(reason):
                return await self._stay_closed(reason)
            case _Changed():
                self._is_changed = False
                await self._claims.give_back()
                return True
            case _Paused(left_s):
                await self._claims.give_back()
                await _is_set_within(self._wakeup, left_s)
                return True
            case _Open():
                return await self._go_on()

    def _state(self) -> _State:
        if self._is_stopping:
            return _STOPPING
        if reason := self._work.closed_reason():
            return _Closed(reason)
        if self._is_changed:
            return _CHANGED
        left_s = self._pace.pause_left_s()
        return _Paused(left_s) if left_s > 0 else _OPEN

    async def _go_on(self) -> bool:
        claims, pace = self._claims, self._pace
        if claims.has_too_many(pace.batch):  # the queue began to fail
            await claims.give_back()
        if pace.recovery:
            await self._bring_forward(pace.recovery)
        if claims.wants_more(pace.batch):
            await claims.claim(pace.batch)
        self._crew.hire()
        return claims.wants_more(pace.batch) or await self._rest()

    async def _bring_forward(self, recovery: Recovery) -> None:
        number = await self._jobs.bring_forward(
            self._queue, away_since=recovery.away_since, back_at=recovery.back_at, limit=LARGEST_BATCH
        )
        if number:
            self._claims.has_more = True
            self._work.brought_forward(number)
        if number < LARGEST_BATCH and self._pace.recovery is recovery:
            self._pace.recovery = None

    async def _rest(self) -> bool:
        """Sleep until something is due; False when nothing waits at all."""
        claims = self._claims
        if claims.ready or claims.has_more:  # there is enough in hand: a task will say when not
            await self._wakeup.wait()
        elif claims.next_due:
            if not await _is_set_within(self._wakeup, min(claims.wait_s(), _LONGEST_SLEEP_S)):
                claims.has_more = True
        elif self._crew.is_busy:
            await self._wakeup.wait()
        elif not await _is_set_within(self._wakeup, _LINGER_S):
            self._on_idle()
            return False
        return True

    async def _stay_closed(self, reason: str) -> bool:
        """Begin nothing; cancel what waits, once the queue has been closed for a moment."""
        await self._claims.give_back()
        now_s = asyncio.get_running_loop().time()
        self._closed_since_s = self._closed_since_s or now_s
        if (rest_s := self._closed_since_s + self._settings.closing_grace_s - now_s) > 0:
            await _is_set_within(self._wakeup, rest_s)
            return True
        self._claims.has_more = False
        if number := await self._jobs.cancel_waiting(self._queue, reason=reason):
            self._work.cancelled(number, reason)
        if self._crew.is_busy:
            await self._wakeup.wait()
        elif not self._claims.has_more:
            self._on_idle()
            return False
        return True


async def _is_set_within(event: asyncio.Event, wait_s: float) -> bool:
    """Wait until then, but no longer than the time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(wait_s):
            await event.wait()
    return event.is_set()
