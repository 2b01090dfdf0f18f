"""Connects the stages of one process: which stage is given which functions of another."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from sidecar.app import logs, starting, wiring
from sidecar.app.metrics import Metrics
from sidecar.app.supervision import Supervisor
from sidecar.config import Settings
from sidecar.parsing.pool import ParserPool
from sidecar.proxy.interface import Hooks
from sidecar.proxy.manifests import read_manifest
from sidecar.proxy.proxy import Proxy
from sidecar.recording.admission import Admission
from sidecar.recording.reconciler import Reconciler
from sidecar.recording.recorder import Recorder
from sidecar.store.lock import FolderLock
from sidecar.store.outbox import Outbox
from sidecar.store.runs import Runs
from sidecar.store.schema import DATABASE_FILE
from sidecar.store.sqlite import SqliteDatabase
from sidecar.store.store import Store


class Stages:
    """The stages from the request to the stored delivery; every process has them."""

    def __init__(
        self,
        settings: Settings,
        *,
        supervisor: Supervisor,
        metrics: Metrics,
        run: str,
        is_main: bool,
    ) -> None:
        """`run`: the owner of the intents and claims of this process."""
        self.settings = settings
        self._is_main = is_main
        self._parsers = ParserPool(on_read=metrics.was_read)
        self._lock = FolderLock(settings.data_volume)
        self.database = SqliteDatabase(
            settings.data_volume / DATABASE_FILE,
            is_owner=is_main,
            lock=self._lock if is_main else None,
            on_failure=supervisor.failed,
        )
        self.store = Store(self.database)
        self.outbox = Outbox(self.database, run=run)
        self.runs = Runs(self.database, run)
        self.recorder = Recorder(
            self.store,
            self.outbox,
            wiring.recorder_settings(settings),
            on_event=metrics.event_recorded,
            on_ended=metrics.delivery_ended,
        )
        self._admission = Admission(self.store, run=run, is_strict=lambda: self.settings.strict)
        self.reconciler = Reconciler(
            self.store,
            self.recorder,
            registry=lambda: wiring.registry_client(self.settings),
            charts=lambda: wiring.charts_client(self.settings),
            routes=lambda: wiring.routes_of(self.settings),
            parse=self._parsers.run,
            read_manifest=lambda body: read_manifest(body, self._parsers.run),
        )
        self.proxy = Proxy(wiring.proxy_settings(settings), self._hooks(metrics))

    @contextlib.asynccontextmanager
    async def opened(self, file_name: str) -> AsyncIterator[None]:
        """With the store open; it is closed last. Raises StartFailed, which names `file_name`."""
        folder = self.settings.data_volume
        starting.check_folder(folder, file_name=file_name)
        if self._is_main:
            await starting.claim(self._lock.take, folder, file_name)
        self.database.open()
        try:
            yield
        finally:
            await self.proxy.close(0)
            await self._parsers.close()
            await asyncio.to_thread(self.database.close)

    def apply(self, settings: Settings) -> None:
        """Use these settings from now on."""
        self.settings = settings
        logs.set_level(settings.log_level)
        self.recorder.apply(wiring.recorder_settings(settings))
        self.proxy.apply(wiring.proxy_settings(settings))

    def _hooks(self, metrics: Metrics) -> Hooks:
        recorder = self.recorder
        return Hooks(
            is_observed=recorder.is_observed,
            wants_oci_chart=recorder.wants_oci_chart,
            admit=self._admission.admit,
            record=recorder.record,
            saw_blob=recorder.saw_blob,
            saw_upload=recorder.saw_upload,
            saw_ping=recorder.saw_ping,
            saw_blob_question=recorder.saw_blob_question,
            wants_credentials=self.reconciler.wants_credentials,
            reconcile_as=self.reconciler.reconcile_as,
            finished=metrics.request_finished,
            parse=self._parsers.run,
            recall=recorder.recall,
        )
