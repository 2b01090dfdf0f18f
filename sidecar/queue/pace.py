"""How fast one queue goes on: its window, its circuit breaker, and what is still to be brought forward."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sidecar.queue.circuit_breaker import LONGEST_PAUSE_S, AttemptOutcome, CircuitBreaker, Recovery
from sidecar.queue.window import SharedSlots, Window

LARGEST_BATCH: Final = 256


@dataclass(slots=True, kw_only=True)
class QueueSettings:
    """What all queues of a kind share."""

    concurrency: int  #: attempts under way in one queue; after a change `QueueWorker.reconfigured`
    shared: SharedSlots  #: attempts under way beyond the first of each queue
    closing_grace_s: float  #: how long a queue must be closed before what waits in it is cancelled
    longest_pause_s: float = LONGEST_PAUSE_S  #: between attempts of a queue that fails and fails
    now: Callable[[], datetime]


class Pace:
    """Lets what happened decide how the next attempts are made."""

    def __init__(self, settings: QueueSettings, *, is_left_over: bool) -> None:
        self._settings = settings
        self.window = Window(settings.concurrency, settings.shared)
        self.breaker = CircuitBreaker.unknown() if is_left_over else CircuitBreaker()
        self.recovery: Recovery | None = None  #: what failed before it is to be brought forward

    @property
    def batch(self) -> int:
        """How many jobs to have in hand: few for a queue that fails."""
        return min(4 * self.window.size**2, LARGEST_BATCH)

    def pause_left_s(self) -> float:
        return self.breaker.paused_until_s - asyncio.get_running_loop().time()

    def note(self, outcome: AttemptOutcome, *, began_s: float, first_wait_s: Callable[[], float]) -> bool:
        """Take notice of an attempt before the next is begun; True when there is a pause or a recovery."""
        now_s, breaker = asyncio.get_running_loop().time(), self.breaker
        self.window.note(is_success=outcome is AttemptOutcome.SUCCEEDED)
        recovery = breaker.note(outcome, began_s=began_s, ended_s=now_s, at=self._settings.now())
        if recovery:
            self.recovery = recovery
            return True
        if outcome is AttemptOutcome.SUCCEEDED:
            return False
        pause_s = breaker.pause_s(first_wait_s(), longest_s=self._settings.longest_pause_s)
        if pause_s:
            breaker.paused_until_s = now_s + pause_s
        return pause_s > 0

    def begin_afresh(self) -> None:
        """Whoever does the work may be another one now: nothing is held against it."""
        self.breaker.forgive()
        self.window.resize(self._settings.concurrency)
