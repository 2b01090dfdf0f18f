"""Begins a worker for every queue of a kind that has work, and stops them all.

At start, and every few seconds, the store is asked which queues have jobs waiting: that is how jobs
outlive a restart, and how those stored by another process are found.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final, Generic

import structlog

from sidecar.model.errors import StoreUnavailable
from sidecar.queue.jobs import Jobs, JobT, KeyT, ResultT, Work
from sidecar.queue.pace import QueueSettings
from sidecar.queue.worker import QueueWorker

log = structlog.get_logger()

_RECORDING_S: Final = 5.0  # after the grace, for what is only waiting for the store


class QueueKeeper(Generic[KeyT, JobT, ResultT]):
    def __init__(
        self,
        jobs: Jobs[KeyT, JobT],
        work_of: Callable[[KeyT], Work[JobT, ResultT]],
        settings: QueueSettings,
        *,
        names: tuple[str, str],
        poll_s: float,
        before_poll: Sequence[Callable[[], Awaitable[None]]] = (),
        on_failure: Callable[[str, BaseException], None],
    ) -> None:
        """Keeps the queues of one kind.

        work_of      what is done with the jobs of a queue
        names        of looking after all queues, and of one, for `on_failure`
        poll_s       how often to look for jobs that nobody called back for
        before_poll  what the kind itself has to ask the store for, before and at each look
        on_failure   gets what failed by a bug of ours; it goes on all the same
        """
        self._jobs = jobs
        self._work_of = work_of
        self._settings = settings
        self._name, self._queue_name = names
        self._poll_s = poll_s
        self._before_poll = before_poll
        self._on_failure = on_failure
        self._workers: dict[KeyT, QueueWorker[KeyT, JobT, ResultT]] = {}
        self._poll_now = asyncio.Event()
        self._ended = asyncio.Event()
        self._is_running = self._is_stopping = False

    async def run(self) -> None:
        """Work on the queues until `stop` is called."""
        self._is_running = True
        await self._try_each(self._before_poll)
        self._jobs.on_stored(self._wake)
        try:
            async with asyncio.TaskGroup() as self._group:
                while not self._is_stopping:
                    self._poll_now.clear()
                    await self._try_each((*self._before_poll, self._look_after_waiting))
                    await self._rest()
        finally:
            self._is_running = False
            self._ended.set()

    async def stop(self, grace_s: float) -> None:
        """Begin no attempt any more; what has not ended within the grace goes back to the store."""
        self._is_stopping = True
        self._poll_now.set()
        if not self._is_running:
            return
        for worker in self._workers.values():
            worker.stop()
        if not await self._has_ended(grace_s):
            for worker in self._workers.values():
                worker.abandon()
            await self._has_ended(_RECORDING_S)

    def reconfigured(self) -> None:
        """The settings have changed, or whoever does the work."""
        for worker in self._workers.values():
            worker.reconfigured()
        self._poll_now.set()

    async def _try_each(self, looks: Iterable[Callable[[], Awaitable[None]]]) -> None:
        for look in looks:
            try:
                await look()
            except StoreUnavailable as exc:
                log.warning("store.unavailable", error=str(exc))
            except Exception as exc:  # noqa: BLE001  # our bug; what is stored from now on is seen to all the same
                self._on_failure(self._name, exc)

    async def _rest(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._poll_s):
                await self._poll_now.wait()

    def _wake(self, queues: Iterable[KeyT]) -> None:
        if self._is_stopping or not self._is_running:
            return
        failing: list[QueueWorker[KeyT, JobT, ResultT]] = []
        for queue in queues:
            if worker := self._workers.get(queue):
                if worker.is_failing:
                    failing.append(worker)
                else:
                    worker.wake()
            else:
                self._begin(queue)
        for worker in failing:  # after those that will get on with it
            worker.wake()

    async def _look_after_waiting(self) -> None:
        """See to jobs that nobody called back for."""
        waiting: Mapping[KeyT, datetime] = await self._jobs.queues_waiting()
        now = self._settings.now()
        self._wake(queue for queue, due in waiting.items() if queue in self._workers and due <= now)
        if not self._is_stopping:
            for queue in waiting.keys() - self._workers.keys():
                self._begin(queue, is_left_over=True)

    def _begin(self, queue: KeyT, *, is_left_over: bool = False) -> None:
        worker = QueueWorker(
            queue,
            self._jobs,
            self._work_of(queue),
            self._settings,
            on_idle=lambda: self._forget(queue, worker),
            is_left_over=is_left_over,
        )
        self._workers[queue] = worker
        self._group.create_task(self._run_worker(queue, worker))

    async def _run_worker(self, queue: KeyT, worker: QueueWorker[KeyT, JobT, ResultT]) -> None:
        try:
            await worker.run()
        except Exception as exc:  # noqa: BLE001  # our bug, for this queue alone; the next poll begins it again
            self._on_failure(self._queue_name, exc)
        finally:
            self._forget(queue, worker)

    def _forget(self, queue: KeyT, worker: QueueWorker[KeyT, JobT, ResultT]) -> None:
        if self._workers.get(queue) is worker:
            del self._workers[queue]

    async def _has_ended(self, within_s: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._ended.wait()
        return self._ended.is_set()
