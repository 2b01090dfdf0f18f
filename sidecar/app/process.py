"""Builds the objects, joins them, starts and stops them; the only place where everything meets.

One process runs everything; `workers: N` adds N - 1 that only relay and record. Stopping: no new
connections, requests under way end, the dispatcher gives back what it has not sent, the store writes
what is queued.
"""

import asyncio
import contextlib
import gc
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import structlog
from aiohttp import web

from sidecar.admin import Check, Readiness, admin_application
from sidecar.app import logs, starting
from sidecar.app.metrics import Metrics
from sidecar.app.reload import Watcher
from sidecar.app.supervision import Supervisor
from sidecar.app.workers import RUN_VARIABLE, Workers, main_process_ended
from sidecar.config import Settings, wiring
from sidecar.dispatcher.dispatcher import Dispatcher
from sidecar.model.errors import StoreUnavailable
from sidecar.parsing.pool import ParserPool
from sidecar.proxy.handler import Proxy
from sidecar.proxy.interface import Hooks
from sidecar.proxy.manifests import read_manifest
from sidecar.recording.admission import Admission
from sidecar.recording.clock import ClockFollower
from sidecar.recording.reconciler import Reconciler
from sidecar.recording.recorder import Recorder
from sidecar.store.clock import StoredTimes
from sidecar.store.file import files_put_aside
from sidecar.store.lock import FolderLock
from sidecar.store.outbox import Outbox
from sidecar.store.schema import DATABASE_FILE
from sidecar.store.sqlite import SqliteDatabase
from sidecar.store.store import Figures, Store
from sidecar.upstreams.client import probe

log = structlog.get_logger()

#: Less than Kubernetes' 30 s, so that the store is closed before SIGKILL.
_GRACE_S: Final = 20.0
_DISPATCHER_GRACE_S: Final = 5.0
_RIPEN_EVERY_S: Final = 0.25
_FIGURES_EVERY_S: Final = 5.0
_CLOCK_EVERY_S: Final = 1.0
_OTHERS_EVERY_S: Final = 0.05
_PRUNE_EVERY_S: Final = 60.0
_TRACES_KEPT: Final = timedelta(minutes=15)
_RECONCILE_EVERY_S: Final = 1.0
_RECONCILE_RARELY_S: Final = 30.0


def run(settings: Settings, config_path: Path) -> int:
    """Serve until SIGTERM or SIGINT; answers the exit status. Raises StartFailed."""
    logs.configure(settings.log_level)
    gc.freeze()  # what was imported stays: going through it holds up the loop for 100 ms (proxy/heap)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_serve(settings, config_path))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415  # optional
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _serve(settings: Settings, config_path: Path) -> int:
    worker_run = os.environ.get(RUN_VARIABLE)
    app = App(settings, config_path, run=worker_run or uuid4().hex)
    asyncio.get_running_loop().set_exception_handler(app.supervisor.loop_failed)
    return await (app.serve_as_worker() if worker_run else app.serve())


class App:
    """Everything of one process."""

    def __init__(self, settings: Settings, config_path: Path, *, run: str) -> None:
        self._settings = settings
        self._config_path = config_path
        self._stopping = asyncio.Event()
        self._hangups = asyncio.Event()
        self._figures = Figures()
        self._lost = 0
        self._is_worker = RUN_VARIABLE in os.environ
        self._metrics = Metrics()
        self._parsers = ParserPool(on_read=self._metrics.was_read)
        self.supervisor = Supervisor(self._metrics.background_failed)
        self._workers = Workers(config_path, run, on_useless=self._stopping.set)
        self._lock = FolderLock(settings.data_volume)
        self._database = SqliteDatabase(
            settings.data_volume / DATABASE_FILE,
            is_owner=not self._is_worker,
            lock=None if self._is_worker else self._lock,
            on_failure=self.supervisor.failed,
        )
        self._store = Store(self._database)
        self._outbox = Outbox(self._database)
        self._clock = ClockFollower(StoredTimes(self._database, self._outbox))
        self._pipeline = Recorder(
            self._store,
            self._outbox,
            wiring.pipeline_settings(settings),
            on_event=self._metrics.event_recorded,
            on_ended=self._metrics.delivery_ended,
        )
        self._admission = Admission(self._store, run=run, is_strict=lambda: self._settings.strict)
        self._reconciler = self._make_reconciler()
        self._proxy = Proxy(wiring.proxy_settings(settings), self._hooks())
        self._dispatcher: Dispatcher | None = None
        self._watcher = Watcher(
            config_path, self._apply, current=settings, on_result=self._metrics.config_reloaded
        )

    async def serve(self) -> int:
        """The main process: relay, record, deliver, answer the admin listener."""
        keep = self.supervisor.keep
        async with self._relaying() as proxy:
            with contextlib.suppress(StoreUnavailable):
                await self._outbox.release_all()
            dispatcher = self._dispatcher = self._make_dispatcher()
            admin = await self._listen_admin()
            async with asyncio.TaskGroup() as tasks:
                dispatching = tasks.create_task(keep("dispatcher", dispatcher.run))
                workers = [
                    tasks.create_task(keep("worker", self._workers.keep_one))
                    for _ in range(1, self._settings.workers)
                ]
                background = [tasks.create_task(work) for work in self._background()]
                log.info(
                    "sidecar.started",
                    proxy=_text(self._settings.listen_proxy),
                    admin=_text(self._settings.listen_admin),
                )
                await self._stopping.wait()
                log.info("sidecar.stopping")
                self._workers.stop()
                await self._drain(proxy)
                await asyncio.gather(*workers)
                _cancel(background)
                await dispatcher.stop(_DISPATCHER_GRACE_S)
                await dispatching
                await admin.cleanup()
        log.info("sidecar.stopped")
        return starting.CANNOT_START if self._workers.are_useless else 0

    async def serve_as_worker(self) -> int:
        """A process that only relays and records."""
        async with self._relaying() as proxy, asyncio.TaskGroup() as tasks:
            background = [
                tasks.create_task(self._watch_configuration()),
                tasks.create_task(self._reload_on_hangup()),
                tasks.create_task(self.supervisor.keep("main", self._follow_main)),
            ]
            log.info("worker.started", pid=os.getpid())
            await self._stopping.wait()
            await self._drain(proxy)
            _cancel(background)
        return 0

    # Starting and stopping

    @contextlib.asynccontextmanager
    async def _relaying(self) -> AsyncIterator[web.ServerRunner]:
        self._handle_signals()
        starting.check_folder(self._settings.data_volume, file_name=self._config_path.name)
        if not self._is_worker:
            await starting.claim(self._lock.take, self._settings.data_volume, self._config_path.name)
        self._database.open()
        try:
            await self._proxy.start()
            runner = web.ServerRunner(self._proxy.server(), shutdown_timeout=_GRACE_S)
            await self._listen(
                runner,
                self._settings.listen_proxy,
                key="listen.proxy",
                share=self._settings.workers > 1,
            )
            yield runner
        finally:
            await self._proxy.close(0)
            await self._parsers.close()
            await asyncio.to_thread(self._database.close)

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._on_hangup)

    async def _drain(self, proxy: web.ServerRunner) -> None:
        """No new connections; requests under way end, and what they record."""
        for site in tuple(proxy.sites):
            await site.stop()
        await self._proxy.close(_GRACE_S)
        await proxy.cleanup()

    async def _listen_admin(self) -> web.AppRunner:
        application = admin_application(readiness=self._readiness(), exposition=self._metrics.exposition)
        runner = web.AppRunner(application, access_log=None)
        await self._listen(runner, self._settings.listen_admin, key="listen.admin", share=False)
        return runner

    async def _listen(
        self, runner: web.BaseRunner, address: tuple[str, int], *, key: str, share: bool
    ) -> None:
        await runner.setup()
        host, port = address
        try:
            for each in starting.hosts_of(host):
                if share and not self._is_worker:
                    await starting.prove_free(each, port)
                await web.TCPSite(runner, each, port, reuse_port=share or None, backlog=1024).start()
        except (OSError, ValueError, OverflowError) as exc:
            await runner.cleanup()
            raise starting.cannot_listen(self._config_path.name, key, _text(address), exc) from exc

    async def _follow_main(self) -> None:
        await main_process_ended()
        self._stopping.set()

    # Joining

    def _hooks(self) -> Hooks:
        pipeline = self._pipeline
        return Hooks(
            is_observed=pipeline.is_observed,
            wants_oci_chart=pipeline.wants_oci_chart,
            admit=self._admission.admit,
            record=pipeline.record,
            saw_blob=pipeline.saw_blob,
            saw_upload=pipeline.saw_upload,
            saw_ping=pipeline.saw_ping,
            saw_blob_question=pipeline.saw_blob_question,
            wants_credentials=self._reconciler.wants_credentials,
            reconcile_as=self._reconciler.reconcile_as,
            finished=self._metrics.request_finished,
            parse=self._parsers.run,
            recall=self._pipeline.recall,
        )

    def _make_dispatcher(self) -> Dispatcher:
        self._watch_figures()
        return Dispatcher(
            outbox=self._outbox,
            targets=lambda: wiring.targets_of(self._settings),
            is_enabled=lambda: self._settings.notification.enabled,
            settings=wiring.dispatcher_settings(self._settings),
            observer=self._metrics,
            on_failure=self.supervisor.failed,
        )

    def _watch_figures(self) -> None:
        self._metrics.watch(
            deliveries_waiting=lambda: self._figures.deliveries_waiting,
            oldest_delivery_age_s=lambda: _age_s(self._figures.oldest_waiting_at),
            intents_open=lambda: self._figures.intents_open,
            events_held=lambda: self._figures.events_held,
            events_in_memory=lambda: self._store.health.kept_in_memory,
            files_put_aside=lambda: self._store.health.put_aside,
            store_up=lambda: float(not self._store.health.error),
            targets_disabled=lambda: self._dispatcher.targets_disabled if self._dispatcher else 0,
        )

    def _make_reconciler(self) -> Reconciler:
        return Reconciler(
            self._store,
            self._pipeline,
            registry=lambda: wiring.registry_place(self._settings),
            charts=lambda: wiring.charts_place(self._settings),
            routes=lambda: wiring.routes_of(self._settings),
            live_runs=self._workers.live_runs,
            parse=self._parsers.run,
            read_manifest=lambda body: read_manifest(body, self._parsers.run),
        )

    def _readiness(self) -> Readiness:
        checks = {
            "registry": Check(lambda: probe(wiring.registry_place(self._settings))),
            "store": Check(self._probe_store, is_required=self._settings.strict),
            "store_files": Check(self._probe_store_files, is_required=False),
        }
        if self._settings.chart_repository:
            checks["chart_repository"] = Check(self._probe_charts, is_required=False)
        return Readiness(checks, is_draining=self._stopping.is_set)

    async def _probe_charts(self) -> str:
        place = wiring.charts_place(self._settings)
        return await probe(place) if place else ""

    async def _probe_store(self) -> str:
        return self._store.health.error

    async def _probe_store_files(self) -> str:
        """Events may have been lost with a file that was put aside: until it is gone, a person should look."""
        found = await asyncio.to_thread(files_put_aside, self._settings.data_volume / DATABASE_FILE)
        return f"damaged and put aside: {', '.join(found)}" if found else ""

    # What goes on beside requests

    def _background(self) -> list[Coroutine[Any, Any, None]]:
        every = self.supervisor.every
        work = [
            self._watch_configuration(),
            self._reload_on_hangup(),
            every(_RIPEN_EVERY_S, "held_events", self._pipeline.ripen),
            every(_FIGURES_EVERY_S, "figures", self._look_at_figures),
            every(_PRUNE_EVERY_S, "prune", self._prune),
            every(_CLOCK_EVERY_S, "clock", self._clock.look),
            self.supervisor.keep("reconciler", self._reconcile),
        ]
        if self._settings.workers > 1:
            work.append(self._watch_other_workers())
        return work

    def _watch_configuration(self) -> Coroutine[Any, Any, None]:
        return self.supervisor.keep("configuration", self._watcher.run)

    async def _reconcile(self) -> None:
        """Settle open intents; rarely once asking has not helped for a while."""
        wait_s = _RECONCILE_EVERY_S
        while True:
            remaining = 0

            async def settle() -> None:
                nonlocal remaining
                remaining = await self._reconciler.reconcile()

            is_done = await self.supervisor.attempt("reconciler", settle)
            is_quick = is_done and not remaining
            wait_s = _RECONCILE_EVERY_S if is_quick else min(wait_s * 1.2, _RECONCILE_RARELY_S)
            await asyncio.sleep(wait_s)

    async def _look_at_figures(self) -> None:
        self._figures = await self._store.figures()
        lost = self._store.health.lost
        self._metrics.events_lost(lost - self._lost)
        self._lost = lost

    async def _prune(self) -> None:
        now = datetime.now(UTC)
        await self._store.forget_traces(before=now - _TRACES_KEPT)
        notification = self._settings.notification
        before = now - self._clock.ahead - timedelta(days=notification.retention_days)
        while await self._outbox.prune(before=before, most_per_policy=notification.retention_count):
            pass  # each step is a transaction of its own, others come between

    async def _watch_other_workers(self) -> None:
        """Wake the dispatcher for what other processes have stored."""
        seen = 0

        async def look() -> None:
            nonlocal seen
            version = await self._store.data_version()
            if version != seen:
                seen = version
                waiting, now = await self._outbox.targets_waiting(), datetime.now(UTC)
                self._outbox.stored(frozenset(key for key, due in waiting.items() if due <= now))

        await self.supervisor.every(_OTHERS_EVERY_S, "other_workers", look)

    # Reload

    async def _reload_on_hangup(self) -> None:
        while True:
            await self._hangups.wait()
            self._hangups.clear()
            await self.supervisor.attempt("configuration", self._watcher.reload)

    def _on_hangup(self) -> None:
        self._workers.forward(signal.SIGHUP)
        self._hangups.set()

    async def _apply(self, settings: Settings) -> None:
        self._settings = settings
        logs.set_level(settings.log_level)
        self._pipeline.apply(wiring.pipeline_settings(settings))
        self._proxy.apply(wiring.proxy_settings(settings))
        if self._dispatcher:
            self._dispatcher.reconfigure(wiring.dispatcher_settings(settings))
            self._dispatcher.policies_changed()


def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()


def _age_s(since: datetime | None) -> float:
    return max((datetime.now(UTC) - since).total_seconds(), 0.0) if since else 0.0


def _text(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
