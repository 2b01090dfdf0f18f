"""Additional processes that only relay and record, sharing the proxy's port and the store.

A worker is this program again, with its run named in the environment. It ends at the end of its standard input,
so the workers of a killed main process end with it.
"""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final
from uuid import uuid4

import structlog

from sidecar.app.parts import Part
from sidecar.app.starting import CANNOT_START
from sidecar.app.supervision import Supervisor

log = structlog.get_logger()

#: Not a setting: only this program sets it.
RUN_VARIABLE: Final = "_REGISTRY_WEBHOOK_SIDECAR_RUN"
_RESPAWN_S: Final = 1.0
_LONGEST_RESPAWN_S: Final = 60.0
_LIVED_S: Final = 30.0  # a worker that has lived this long did not fail at its start


class Workers(Part):
    """The processes besides the main one."""

    def __init__(
        self,
        config_path: Path,
        number: int,
        supervisor: Supervisor,
        *,
        on_ended: Callable[[str], Awaitable[None]],
        on_useless: Callable[[], None],
    ) -> None:
        """`on_ended` learns the run of each worker that ends.

        on_useless   is called when a worker cannot even start for the first time
        """
        self.are_useless = False
        self._config_path = config_path
        self._number = number
        self._supervisor = supervisor
        self._on_ended = on_ended
        self._on_useless = on_useless
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._is_stopping = False
        self._ended = asyncio.Event()

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(self._number):
                    tasks.create_task(self._supervisor.keep("worker", self._keep_one))
        finally:
            self._ended.set()

    def hang_up(self) -> None:
        """Make them reread their configuration."""
        self._forward(signal.SIGHUP)

    def stop(self) -> None:
        """Ask every worker to end."""
        self._is_stopping = True
        self._forward(signal.SIGTERM)

    async def close(self) -> None:
        await self._ended.wait()

    async def _keep_one(self) -> None:
        """Keep one worker alive until `stop`.

        If the first one cannot start, no other can: the main process then ends. Later
        ones may fail because harbor.yml has changed, or for a lack of resources, which may be temporary.
        """
        pause_s, is_first = _RESPAWN_S, True
        while not self._is_stopping:
            began_s = time.monotonic()
            status = await self._see_through()
            if self._is_stopping:
                return
            if is_first and status == CANNOT_START:
                self.are_useless = True
                self._on_useless()
                return
            is_first = False
            log.error("worker.died", status=status)
            pause_s = _RESPAWN_S if time.monotonic() - began_s > _LIVED_S else pause_s
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_RESPAWN_S)

    async def _see_through(self) -> int:
        """Start a worker and wait for its end; its exit status."""
        run = uuid4().hex
        process = await self._start(run)
        self._running[run] = process
        try:
            return await process.wait()
        finally:
            del self._running[run]
            await self._on_ended(run)

    def _forward(self, number: signal.Signals) -> None:
        for process in self._running.values():
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                process.send_signal(number)

    async def _start(self, run: str) -> asyncio.subprocess.Process:
        command = (sys.executable, "-m", "sidecar", "serve", "--config", str(self._config_path))
        return await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, env=os.environ | {RUN_VARIABLE: run}
        )


class MainProcess(Part):
    """A worker's view of the main process."""

    def __init__(self, supervisor: Supervisor, *, on_end: Callable[[], None]) -> None:
        self._supervisor = supervisor
        self._on_end = on_end

    async def run(self) -> None:
        await self._supervisor.keep("main", _main_process_ended)
        self._on_end()


async def _main_process_ended() -> None:
    """Return when the main process is gone, seen as the end of standard input."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()
