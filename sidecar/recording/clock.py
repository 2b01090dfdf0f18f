"""Detects that the system's clock was set, while the sidecar runs or while it was stopped.

Elapsed time comes from the monotonic clock, and the store has the latest time that the system's clock has shown.
A step back would delay everything in the store by as much; see `store.clock`. A step forward makes things due
early, which is harmless.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from sidecar.store.clock import StoredTimes

log = structlog.get_logger()

#: Smaller steps are ignored: due times are less exact, and a gradual adjustment is no step.
_SMALLEST_STEP_S: Final = 2.0
_NOTED_EVERY_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Step:
    """How the clock was set between two looks."""

    by_s: float  #: forward, or back if negative; 0 if it was not set
    shown_s: float  #: what it would have shown at the first look; everything written since is later


class ClockWatch:
    """Detects steps of the system's clock by comparing it with the monotonic clock."""

    def __init__(self, now: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._now = now
        self._monotonic = monotonic
        self._now_s, self._monotonic_s = now(), monotonic()

    def look(self) -> Step:
        now_s, monotonic_s = self._now(), self._monotonic()
        shown_s = now_s - (monotonic_s - self._monotonic_s)
        by_s = shown_s - self._now_s
        self._now_s, self._monotonic_s = now_s, monotonic_s
        return Step(by_s if abs(by_s) > _SMALLEST_STEP_S else 0.0, shown_s)


class ClockFollower:
    """Adjusts the store to steps of the clock; `look` must be called every second."""

    def __init__(
        self,
        times: StoredTimes,
        *,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._times = times
        self._now = now
        self._monotonic = monotonic
        self._watch = ClockWatch(now, monotonic)
        self._ahead_s = 0.0
        self._note_at_s = monotonic()

    @property
    def ahead(self) -> timedelta:
        """How far the clock was set forward since the start and not back again: perhaps by accident."""
        return timedelta(seconds=self._ahead_s)

    async def look(self) -> None:
        step = self._watch.look()
        self._ahead_s = max(self._ahead_s + step.by_s, 0.0)
        if step.by_s > 0:
            log.warning("clock.went_forward", seconds=round(step.by_s, 1))
        elif step.by_s < 0:
            await self._go_back(-step.by_s, step.shown_s)
        await self._compare_with_store()
        if self._monotonic() >= self._note_at_s:
            await self._note()

    async def _compare_with_store(self) -> None:
        """The clock may have been set back between looks, or while stopped, by at least that much."""
        now_s, newest_s = self._now(), await self._times.newest()
        if newest_s - now_s > _SMALLEST_STEP_S:
            await self._go_back(newest_s - now_s, now_s)

    async def _go_back(self, by_s: float, shown_s: float) -> None:
        log.warning("clock.went_back", seconds=round(by_s, 1))
        await self._times.move_back(by_s, shown_s=shown_s)
        await self._note()

    async def _note(self) -> None:
        self._note_at_s = self._monotonic() + _NOTED_EVERY_S
        await self._times.note()
