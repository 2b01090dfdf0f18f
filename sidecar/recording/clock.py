"""Notices that the system's clock was set, while the sidecar runs or while it was stopped.

Time that passes is told by another clock, which nobody sets; and the store tells what the clock has shown
before. A step back would make everything in the store wait longer by as much; see `store.clock`. A step
forward makes things due early, which does no harm.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from sidecar.store.clock import StoredTimes

log = structlog.get_logger()

#: Smaller steps are left alone: nothing is due so exactly, and adjusting a clock gradually is no step.
_SMALLEST_STEP_S: Final = 2.0
_NOTED_EVERY_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Step:
    """What happened to the clock between two looks."""

    by_s: float  #: forward, or back if negative; 0 if it just went on
    shown_s: float  #: what it would have shown at the first look: all that was written since is later


class ClockWatch:
    """Tells steps of one clock by another that is never set."""

    def __init__(self, wall: Callable[[], float], steady: Callable[[], float]) -> None:
        self._wall = wall
        self._steady = steady
        self._wall_s, self._steady_s = wall(), steady()

    def look(self) -> Step:
        wall_s, steady_s = self._wall(), self._steady()
        shown_s = wall_s - (steady_s - self._steady_s)
        by_s = shown_s - self._wall_s
        self._wall_s, self._steady_s = wall_s, steady_s
        return Step(by_s if abs(by_s) > _SMALLEST_STEP_S else 0.0, shown_s)


class ClockFollower:
    """Keeps the store in step with the clock; `look` is to be called every second."""

    def __init__(
        self,
        times: StoredTimes,
        *,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._times = times
        self._wall = wall
        self._steady = steady
        self._watch = ClockWatch(wall, steady)
        self._ahead_s = 0.0
        self._note_at_s = steady()

    @property
    def ahead(self) -> timedelta:
        """How far the clock was set forward since the start and not back again: perhaps by mistake."""
        return timedelta(seconds=self._ahead_s)

    async def look(self) -> None:
        step = self._watch.look()
        self._ahead_s = max(self._ahead_s + step.by_s, 0.0)
        if step.by_s > 0:
            log.warning("clock.went_forward", seconds=round(step.by_s, 1))
        elif step.by_s < 0:
            await self._go_back(-step.by_s, step.shown_s)
        await self._compare_with_store()
        if self._steady() >= self._note_at_s:
            await self._note()

    async def _compare_with_store(self) -> None:
        """While nobody looked the clock may have been set back, by that much at least."""
        now_s, newest_s = self._wall(), await self._times.newest()
        if newest_s - now_s > _SMALLEST_STEP_S:
            await self._go_back(newest_s - now_s, now_s)

    async def _go_back(self, by_s: float, shown_s: float) -> None:
        log.warning("clock.went_back", seconds=round(by_s, 1))
        await self._times.move_back(by_s, shown_s=shown_s)
        await self._note()

    async def _note(self) -> None:
        self._note_at_s = self._steady() + _NOTED_EVERY_S
        await self._times.note()
