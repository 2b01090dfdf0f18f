import asyncio
import gc

import pytest
from structlog.testing import capture_logs

from sidecar.proxy.tasks import Tasks


async def test_what_is_started_is_not_lost_and_is_waited_for() -> None:
    tasks, done = Tasks(), []

    async def work() -> None:
        await asyncio.sleep(0.05)
        done.append(1)

    tasks.start(work(), name="work")
    gc.collect()
    await tasks.finish(5)
    assert done == [1]


async def test_what_is_seen_through_goes_on_when_its_caller_is_cancelled() -> None:
    tasks, done = Tasks(), []

    async def work() -> None:
        await asyncio.sleep(0.05)
        done.append(1)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await tasks.see_through(work(), name="work")
    assert done == []
    await tasks.finish(5)
    assert done == [1]


async def test_what_does_not_end_is_cancelled() -> None:
    tasks = Tasks()
    task = tasks.start(asyncio.sleep(100), name="sleep")
    await tasks.finish(0.01)
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_failure_is_logged_with_the_name_of_the_task() -> None:
    async def fail() -> None:
        raise ValueError("no")

    tasks = Tasks()
    with capture_logs() as logs:
        tasks.start(fail(), name="failing")
        await tasks.finish(5)
        await asyncio.sleep(0)
    assert [(entry["event"], entry["task"]) for entry in logs] == [("task.failed", "failing")]
