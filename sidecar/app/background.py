"""Periodic work of the main process, independent of requests and deliveries."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

from sidecar.app.figures import StoreFigures
from sidecar.app.parts import Part
from sidecar.app.stages import Stages
from sidecar.app.supervision import Supervisor
from sidecar.recording.clock import ClockFollower
from sidecar.store.clock import StoredTimes

_DUE_LOOKED_FOR_EVERY_S: Final = 0.25
_FIGURES_EVERY_S: Final = 5.0
_CLOCK_EVERY_S: Final = 1.0
_OTHERS_EVERY_S: Final = 0.05
_PRUNE_EVERY_S: Final = 60.0
_TRACES_KEPT: Final = timedelta(minutes=15)
_RECONCILE_EVERY_S: Final = 1.0
_RECONCILE_RARELY_S: Final = 30.0


class Background(Part):
    """Periodic work; it can be cancelled at any point, because the next start does the rest."""

    def __init__(self, stages: Stages, supervisor: Supervisor, figures: StoreFigures) -> None:
        self._stages = stages
        self._supervisor = supervisor
        self._figures = figures
        self._clock = ClockFollower(StoredTimes(stages.database, stages.outbox))
        self._seen_version = 0

    async def run(self) -> None:
        every, stages = self._supervisor.every, self._stages
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(every(_DUE_LOOKED_FOR_EVERY_S, "held_events", stages.recorder.raise_due))
            tasks.create_task(every(_FIGURES_EVERY_S, "figures", self._figures.look))
            tasks.create_task(every(_PRUNE_EVERY_S, "prune", self._prune))
            tasks.create_task(every(_CLOCK_EVERY_S, "clock", self._clock.look))
            tasks.create_task(self._supervisor.keep("reconciler", self._reconcile))
            if stages.settings.workers > 1:
                tasks.create_task(every(_OTHERS_EVERY_S, "other_workers", self._look_at_others))

    async def _reconcile(self) -> None:
        """Settle open intents; less often once that has not helped for a while."""
        wait_s = _RECONCILE_EVERY_S
        while True:
            remaining = 0

            async def settle() -> None:
                nonlocal remaining
                remaining = await self._stages.reconciler.reconcile()

            is_done = await self._supervisor.attempt("reconciler", settle)
            is_quick = is_done and not remaining
            wait_s = _RECONCILE_EVERY_S if is_quick else min(wait_s * 1.2, _RECONCILE_RARELY_S)
            await asyncio.sleep(wait_s)

    async def _prune(self) -> None:
        now = datetime.now(UTC)
        await self._stages.store.forget_traces(before=now - _TRACES_KEPT)
        notification = self._stages.settings.notification
        before = now - self._clock.ahead - timedelta(days=notification.retention_days)
        while await self._stages.outbox.prune(before=before, most_per_policy=notification.retention_count):
            pass  # each step is a transaction of its own, others come between

    async def _look_at_others(self) -> None:
        """Wake the dispatcher for deliveries stored by other processes."""
        version = await self._stages.store.data_version()
        if version != self._seen_version:
            self._seen_version = version
            outbox, now = self._stages.outbox, datetime.now(UTC)
            waiting = await outbox.queues_waiting()
            outbox.stored(frozenset(key for key, due in waiting.items() if due <= now))
