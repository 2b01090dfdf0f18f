"""The dispatcher as a part of the main process."""

import asyncio
from typing import Final

from sidecar.app import wiring
from sidecar.app.metrics import Metrics
from sidecar.app.parts import Part
from sidecar.app.stages import Stages
from sidecar.app.supervision import Supervisor
from sidecar.config import Settings
from sidecar.dispatcher.dispatcher import Dispatcher
from sidecar.policies.policy import targets_of

_GRACE_S: Final = 5.0


class Dispatching(Part):
    """Delivers as long as the process lives; unsent deliveries stay in the store."""

    def __init__(self, stages: Stages, supervisor: Supervisor, metrics: Metrics) -> None:
        self._keep = supervisor.keep
        self._ended = asyncio.Event()
        self._dispatcher = Dispatcher(
            outbox=stages.outbox,
            targets=lambda: targets_of(stages.settings.policies),
            is_enabled=lambda: stages.settings.notification.enabled,
            settings=wiring.dispatcher_settings(stages.settings),
            counter=metrics,
            on_failure=supervisor.failed,
        )

    async def run(self) -> None:
        try:
            await self._keep("dispatcher", self._dispatcher.run)
        finally:
            self._ended.set()

    async def close(self) -> None:
        await self._dispatcher.stop(_GRACE_S)
        await self._ended.wait()

    def apply(self, settings: Settings) -> None:
        """Use these settings from the next attempt on."""
        self._dispatcher.reconfigure(wiring.dispatcher_settings(settings))
        self._dispatcher.policies_changed()

    def targets_disabled(self) -> float:
        return self._dispatcher.targets_disabled
