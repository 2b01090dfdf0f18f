"""The tasks that try the jobs of one queue and record how it went; hired while there is something to begin."""

import asyncio
from collections.abc import Callable
from typing import Final, Generic
from uuid import UUID

from sidecar.queue.circuit_breaker import AttemptOutcome
from sidecar.queue.claims import Claims
from sidecar.queue.jobs import JobT, KeyT, ResultT, Work
from sidecar.queue.pace import Pace

# Tasks per attempt allowed: most of them wait for the store, which commits many records at once.
_TASKS_PER_SLOT: Final = 4


class Crew(Generic[KeyT, JobT, ResultT]):
    def __init__(
        self,
        work: Work[JobT, ResultT],
        claims: Claims[KeyT, JobT],
        pace: Pace,
        *,
        may_begin: Callable[[], bool],
        wakeup: asyncio.Event,
    ) -> None:
        """`wakeup` is set when the queue's worker has something to see to."""
        self._work = work
        self._claims = claims
        self._pace = pace
        self._may_begin = may_begin
        self._wakeup = wakeup
        self._tasks = 0
        self._trying: dict[UUID, tuple[JobT, asyncio.Task[None] | None]] = {}
        self.group = asyncio.TaskGroup()  #: entered by the worker

    @property
    def is_busy(self) -> bool:
        return self._tasks > 0

    def hire(self) -> None:
        """As many as there are jobs to begin, within the window."""
        wanted = min(self._claims.ready, self._pace.window.size * _TASKS_PER_SLOT)
        while self._tasks < wanted:
            self._tasks += 1
            self.group.create_task(self._try_all())

    def abandon(self) -> None:
        """Break off the attempts under way; those that are being recorded are left to finish."""
        for _, task in self._trying.values():
            if task:
                task.cancel()

    def dropped(self) -> list[JobT]:
        """What was begun and broken off."""
        return [job for job, _ in self._trying.values()]

    async def _try_all(self) -> None:
        try:
            while await self._try_next():
                pass
        finally:
            self._tasks -= 1
            self._wakeup.set()

    async def _try_next(self) -> bool:
        async with self._pace.window:
            job = self._claims.next() if self._may_begin() else None
            if job is None:
                return False
            began_s = asyncio.get_running_loop().time()
            self._trying[job.id] = job, asyncio.current_task()
            result = await self._work.attempt(job)
            outcome = self._work.outcome_of(result)
            if self._pace.note(outcome, began_s=began_s, first_wait_s=self._work.first_wait_s):
                self._wakeup.set()
            del self._trying[job.id]
            self._free(job.order_key)
        self._claims.expect(await self._work.record(job, result, self._pace.breaker))
        if outcome is not AttemptOutcome.SUCCEEDED:
            self._wakeup.set()
        return True

    def _free(self, order_key: str) -> None:
        claims, batch = self._claims, self._pace.batch
        claims.free(order_key)
        self.hire()
        if claims.wants_more(batch) or claims.has_too_many(batch):
            self._wakeup.set()
