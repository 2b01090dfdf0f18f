"""What a process consists of, and the order in which all of it starts and ends."""

import asyncio
from collections.abc import Callable, Sequence


class Part:
    """One of the things that a process does. Each method may be left as it is here, where it does nothing."""

    async def start(self) -> None:
        """Have what it needs. Raises StartFailed."""

    async def run(self) -> None:
        """Go on until it is closed; what is still running then is cancelled."""

    def stop(self) -> None:
        """Begin nothing new; wait for nothing."""

    async def close(self) -> None:
        """Returns when what was begun has ended."""


async def serve(
    parts: Sequence[Part],
    stopping: asyncio.Event,
    *,
    on_started: Callable[[], None],
    on_stopping: Callable[[], None] = lambda: None,
) -> None:
    """Start the parts one after the other, run them side by side, and end them when `stopping` is set.

    The order is that of the data: what clients send ends first, then what is made of it. All are told to stop
    before the first is waited for.
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
