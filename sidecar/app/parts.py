"""The parts of a process, and the order in which they start and stop."""

import asyncio
from collections.abc import Callable, Sequence


class Part:
    """One part of a process. The default of each method does nothing."""

    async def start(self) -> None:
        """Acquire what it needs. Raises StartFailed."""

    async def run(self) -> None:
        """Run until it is closed; whatever is still running then is cancelled."""

    def stop(self) -> None:
        """Start nothing new; returns at once."""

    async def close(self) -> None:
        """Return when everything that was started has ended."""


async def serve(
    parts: Sequence[Part],
    stopping: asyncio.Event,
    *,
    on_started: Callable[[], None],
    on_stopping: Callable[[], None] = lambda: None,
) -> None:
    """Start the parts one by one, run them concurrently, and stop them when `stopping` is set.

    They stop in the order of the data flow: clients' requests first, then what results from them. All are told to
    stop before the first is awaited.
    """
    for part in parts:
        await part.start()
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(part.run()) for part in parts]
        on_started()
        await stopping.wait()
        on_stopping()
        for part in parts:
            part.stop()
        for part, task in zip(parts, running, strict=True):
            await part.close()
            task.cancel()
