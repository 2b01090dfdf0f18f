"""More processes that only relay and record, sharing the proxy's port and the store.

A worker is this program again, with its run named in the environment. It ends when its standard input
does: a main process that was killed takes its workers with it.
"""

import asyncio
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import uuid4

import structlog

log = structlog.get_logger()

#: Not a setting: only this program sets it.
RUN_VARIABLE: Final = "_REGISTRY_WEBHOOK_SIDECAR_RUN"
_RESPAWN_S: Final = 1.0


@dataclass(slots=True)
class Workers:
    """The processes beside the main one."""

    config_path: Path
    main_run: str
    _running: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)
    _is_stopping: bool = False

    def live_runs(self) -> tuple[str, ...]:
        """Runs whose processes may still finish what they began."""
        return (self.main_run, *self._running)

    async def keep_one(self) -> None:
        """Keep one worker alive until `stop`."""
        while not self._is_stopping:
            run = uuid4().hex
            process = await self._start(run)
            self._running[run] = process
            status = await process.wait()
            del self._running[run]
            if not self._is_stopping:
                log.error("worker.died", status=status)
                await asyncio.sleep(_RESPAWN_S)

    def forward(self, number: signal.Signals) -> None:
        for process in self._running.values():
            process.send_signal(number)

    def stop(self) -> None:
        """Ask every worker to end; `keep_one` returns when its worker has."""
        self._is_stopping = True
        self.forward(signal.SIGTERM)

    async def _start(self, run: str) -> asyncio.subprocess.Process:
        command = (sys.executable, "-m", "sidecar", "serve", "--config", str(self.config_path))
        return await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, env=os.environ | {RUN_VARIABLE: run}
        )


async def main_process_ended() -> None:
    """Return when the main process is gone, seen as the end of standard input."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()
