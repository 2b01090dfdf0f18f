"""The proxy as a whole: made, reconfigured, drained and closed."""

import asyncio
import logging
import time

import structlog
from aiohttp import web

from sidecar.model.operation import Other
from sidecar.proxy.arrival import ClientRequest
from sidecar.proxy.budget import Budget
from sidecar.proxy.handler import OPERATION, Handler
from sidecar.proxy.heap import Heap
from sidecar.proxy.interface import Hooks, ProxySettings, TlsChoice
from sidecar.proxy.request_context import Upstreams
from sidecar.proxy.server import Server
from sidecar.proxy.tasks import Tasks
from sidecar.proxy.unharmed import unharmed
from sidecar.proxy.upstream import READ_BYTES, Upstream, UpstreamConnections

log = structlog.get_logger()


class Proxy:
    """Relays requests of the proxy listener; `start` before, `close` after."""

    def __init__(self, settings: ProxySettings, hooks: Hooks) -> None:
        self._hooks = hooks
        self._tasks = Tasks()
        self._connections: UpstreamConnections | None = None
        self._server: web.Server | None = None
        self._requests_in_flight = 0
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._settings = settings
        self._handler = Handler(hooks, self._tasks)
        #: What all clients together make this process hold.
        self.budget = Budget(settings.limits.client_memory_bytes)
        self._heap = Heap(self.budget)

    async def start(self) -> None:
        self._connections = UpstreamConnections()
        self.apply(self._settings)

    def apply(self, settings: ProxySettings) -> None:
        """Use these settings for every request from now on; requests under way keep theirs."""
        assert self._connections is not None, "start() first"
        self._settings = settings
        self.budget.limit_bytes = settings.limits.client_memory_bytes
        charts_url = settings.chart_repository_url
        upstreams = Upstreams(
            registry=self._upstream(settings.registry_url, settings.registry_tls),
            charts=self._upstream(charts_url, settings.chart_repository_tls) if charts_url else None,
        )
        self._handler.apply(settings, upstreams)

    def _upstream(self, url: str, tls: TlsChoice) -> Upstream:
        assert self._connections is not None
        timeout_s = self._settings.connect_timeout_s
        return Upstream(url, self._connections, connect_timeout_s=timeout_s, tls=tls)

    def server(self) -> web.Server:
        """The protocol factory for listening sockets (web.ServerRunner, loop.create_server)."""
        self._server = Server(
            self.handle,
            self.drain,
            budget=self.budget,
            limits=lambda: self._settings.limits,
            auto_decompress=False,
            read_bufsize=READ_BYTES,
            access_log=None,
            logger=_server_logger(),
        )
        return self._server

    async def drain(self, limit_s: float) -> None:
        """Wait for the requests under way, for so long at most; connections are not kept any longer."""
        self._handler.is_closing = True
        try:
            async with asyncio.timeout(limit_s):
                await self._is_idle.wait()
        except TimeoutError:
            log.warning("requests.cut_off", requests=self._requests_in_flight)

    async def close(self, limit_s: float = 30.0) -> None:
        """Finish what is under way, for so long at most; stop listening before."""
        await self.drain(limit_s)
        if self._server:
            await self._server.shutdown(0)
        await self._tasks.finish(limit_s)
        if self._connections:
            await self._connections.close()

    @property
    def requests_in_flight(self) -> int:
        return self._requests_in_flight

    async def handle(self, request: ClientRequest) -> web.StreamResponse:
        """Answer one request of a client."""
        self._requests_in_flight += 1
        self._is_idle.clear()
        began, status = time.monotonic(), 0
        try:
            response = await self._handler.answer(request)
            status = response.status
            return response
        finally:
            operation = request.get(OPERATION, Other())
            unharmed(self._hooks.finished, operation, status, time.monotonic() - began)
            self._requests_in_flight -= 1
            if not self._requests_in_flight:
                self._is_idle.set()


class _WithoutContent(logging.Filter):
    """aiohttp reports malformed requests as errors of ours, and quotes them, credentials included."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.exc_info = None
        record.exc_text = None
        return True


def _server_logger() -> logging.Logger:
    logger = logging.getLogger("sidecar.proxy.server")
    if not logger.filters:
        logger.addFilter(_WithoutContent())
    return logger
