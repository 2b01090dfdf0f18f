"""The lease of this process's run, as a part of every process."""

import contextlib

from sidecar.app.parts import Part
from sidecar.app.supervision import Supervisor
from sidecar.model.errors import StoreUnavailable
from sidecar.store.runs import RENEWED_EVERY_S, Runs


class Lease(Part):
    """Begun before anything is claimed, and renewed until all other parts have ended."""

    def __init__(self, runs: Runs, supervisor: Supervisor, *, is_main: bool) -> None:
        self._runs = runs
        self._supervisor = supervisor
        self._is_main = is_main

    async def start(self) -> None:
        with contextlib.suppress(StoreUnavailable):
            # The main process holds the folder's lock: no other process has a run that is alive.
            await self._runs.begin(is_alone=self._is_main)

    async def run(self) -> None:
        renew = self._runs.renew_and_watch if self._is_main else self._runs.renew
        await self._supervisor.every(RENEWED_EVERY_S, "lease", renew)

    async def end(self, run: str) -> None:
        """A worker has ended: what it had begun is taken over at once, and not only when its lease is over."""
        with contextlib.suppress(StoreUnavailable):
            await self._runs.end(run)
