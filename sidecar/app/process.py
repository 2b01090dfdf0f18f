"""One process, from its start to its end; the only module that connects everything.

One process runs everything; `workers: N` adds N - 1 that only relay and record. Stopping: no new
connections, requests in progress complete, the dispatcher releases unsent deliveries, the store writes
what is queued.
"""

import asyncio
import gc
import os
import signal
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import structlog

from sidecar.admin import admin_application
from sidecar.app import logs, starting
from sidecar.app.background import Background
from sidecar.app.dispatching import Dispatching
from sidecar.app.figures import StoreFigures
from sidecar.app.lease import Lease
from sidecar.app.listening import AdminListener, ProxyListener, address_text
from sidecar.app.metrics import Metrics
from sidecar.app.parts import serve
from sidecar.app.readiness import readiness_of
from sidecar.app.reload import Configuration
from sidecar.app.stages import Stages
from sidecar.app.supervision import Supervisor
from sidecar.app.workers import RUN_VARIABLE, MainProcess, Workers
from sidecar.config import Settings

log = structlog.get_logger()


def run(settings: Settings, config_path: Path) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit status. Raises StartFailed."""
    logs.configure(settings.log_level)
    gc.freeze()  # imported modules are permanent: scanning them would block the loop for 100 ms (proxy/heap)
    worker_run = os.environ.get(RUN_VARIABLE)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        if worker_run:
            return runner.run(_serve_as_worker(settings, config_path, run=worker_run))
        return runner.run(_serve(settings, config_path, run=uuid4().hex))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415  # optional
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _serve(settings: Settings, config_path: Path, *, run: str) -> int:
    """The main process: relay, record, deliver, answer the admin listener."""
    stopping, metrics = asyncio.Event(), Metrics()
    supervisor = _supervisor(metrics)
    stages = Stages(settings, supervisor=supervisor, metrics=metrics, run=run, is_main=True)
    lease = Lease(stages.runs, supervisor, is_main=True)
    workers = Workers(
        config_path, settings.workers - 1, supervisor, on_ended=lease.end, on_useless=stopping.set
    )
    dispatching = Dispatching(stages, supervisor, metrics)
    figures = StoreFigures(stages.store, metrics, targets_disabled=dispatching.targets_disabled)
    configuration = Configuration(
        config_path,
        settings,
        supervisor,
        on_change=(stages.apply, dispatching.apply),
        on_result=metrics.config_reloaded,
    )
    admin = admin_application(
        readiness=readiness_of(stages, is_draining=stopping.is_set), exposition=metrics.exposition
    )
    _handle_signals(stopping, on_hangup=(workers.hang_up, configuration.reload_soon))
    parts = (
        _proxy_listener(stages, config_path, is_main=True),
        workers,
        configuration,
        Background(stages, supervisor, figures),
        dispatching,
        lease,
        AdminListener(admin, settings.listen_admin, file_name=config_path.name),
    )

    def say_started() -> None:
        proxy, admin = address_text(settings.listen_proxy), address_text(settings.listen_admin)
        log.info("sidecar.started", proxy=proxy, admin=admin)

    async with stages.opened(config_path.name):
        await serve(parts, stopping, on_started=say_started, on_stopping=lambda: log.info("sidecar.stopping"))
    log.info("sidecar.stopped")
    return starting.CANNOT_START if workers.are_useless else 0


async def _serve_as_worker(settings: Settings, config_path: Path, *, run: str) -> int:
    """A process that only relays and records."""
    stopping, metrics = asyncio.Event(), Metrics()
    supervisor = _supervisor(metrics)
    stages = Stages(settings, supervisor=supervisor, metrics=metrics, run=run, is_main=False)
    configuration = Configuration(
        config_path, settings, supervisor, on_change=(stages.apply,), on_result=metrics.config_reloaded
    )
    _handle_signals(stopping, on_hangup=(configuration.reload_soon,))
    parts = (
        _proxy_listener(stages, config_path, is_main=False),
        configuration,
        MainProcess(supervisor, on_end=stopping.set),
        Lease(stages.runs, supervisor, is_main=False),
    )
    async with stages.opened(config_path.name):
        await serve(parts, stopping, on_started=lambda: log.info("worker.started", pid=os.getpid()))
    return 0


def _supervisor(metrics: Metrics) -> Supervisor:
    supervisor = Supervisor(metrics.background_failed)
    asyncio.get_running_loop().set_exception_handler(supervisor.loop_failed)
    return supervisor


def _proxy_listener(stages: Stages, config_path: Path, *, is_main: bool) -> ProxyListener:
    return ProxyListener(
        stages.proxy,
        stages.settings.listen_proxy,
        file_name=config_path.name,
        is_shared=stages.settings.workers > 1,
        is_main=is_main,
    )


def _handle_signals(stopping: asyncio.Event, *, on_hangup: tuple[Callable[[], None], ...]) -> None:
    loop = asyncio.get_running_loop()

    def hang_up() -> None:
        for work in on_hangup:
            work()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    loop.add_signal_handler(signal.SIGHUP, hang_up)
