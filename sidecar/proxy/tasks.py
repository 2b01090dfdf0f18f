"""The owner of tasks beyond requests: keeps references, reports failures, ends with the proxy."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

log = structlog.get_logger()


class Tasks:
    """Tasks that must not be lost: asyncio itself keeps only weak references."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    async def see_through(self, work: Coroutine[Any, Any, None], *, name: str) -> None:
        """Wait for work that continues even when the caller is cancelled."""
        await asyncio.shield(self.start(work, name=name))

    async def finish(self, limit_s: float) -> None:
        """Wait for all tasks, then cancel the remaining ones."""
        if self._running:
            await asyncio.wait(set(self._running), timeout=limit_s)
        for task in tuple(self._running):
            task.cancel()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("task.failed", task=task.get_name(), exc_info=error)
