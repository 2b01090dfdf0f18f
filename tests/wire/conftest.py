"""The proxy on a real socket, with hooks that keep what they are told."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pytest
from aiohttp import web

from sidecar.model.admission import ADMITTED, AdmissionRequest, Admitted, Denied
from sidecar.model.exchange import Client, Exchange
from sidecar.model.names import Digest, Repository
from sidecar.model.operation import Operation, WriteOperation
from sidecar.parsing.pool import ParserPool
from sidecar.proxy import Hooks, Proxy, ProxySettings
from tests.support.raw_upstream import RawConnection, connect

if os.environ.get("EVENT_LOOP") == "uvloop":
    # The optional loop has a transport of its own; make both pass:
    # EVENT_LOOP=uvloop .venv/bin/pytest tests/wire
    uvloop = pytest.importorskip("uvloop")

    def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
        return {"uvloop": uvloop.new_event_loop}


@dataclass
class Noted:
    """What the proxy told its hooks, in order."""

    observes: Callable[[Operation], bool] = lambda _: True
    wants_chart: bool = False
    asked: list[AdmissionRequest] = field(default_factory=list)  #: to be admitted
    exchanges: list[Exchange] = field(default_factory=list)
    blobs: list[tuple[Client, Repository]] = field(default_factory=list)
    uploads: list[tuple[Client, Repository]] = field(default_factory=list)
    pings: list[Client] = field(default_factory=list)
    questions: list[tuple[Client, Digest]] = field(default_factory=list)
    on_admit: Callable[[AdmissionRequest], Awaitable[Denied | None]] | None = None
    on_record: Callable[[Exchange], Awaitable[None]] | None = None
    readings: list[tuple[str, Any]] = field(default_factory=list)  #: jobs of the parser processes
    parsers: ParserPool = field(default_factory=ParserPool)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def _observes(self, operation: Operation) -> bool:
        return self.observes(operation)

    async def _admit(self, request: AdmissionRequest) -> Admitted | Denied:
        denied = await self.on_admit(request) if self.on_admit else None
        if denied is None:
            self.asked.append(request)
        return denied or ADMITTED

    @property
    def intents(self) -> list[AdmissionRequest]:
        """What was admitted of which an event may come."""
        return [request for request in self.asked if isinstance(request.operation, WriteOperation)]

    async def _record(self, exchange: Exchange) -> None:
        if self.on_record:
            await self.on_record(exchange)
        self.exchanges.append(exchange)
        self._changed.set()

    async def _parse(
        self,
        kind: str,
        payload: bytes | bytearray | Iterable[bytes],
        options: Mapping[str, Any],
        /,
        *,
        asked_by: str = "",
    ) -> dict[str, Any] | None:
        read = await self.parsers.run(kind, payload, options, asked_by=asked_by)
        self.readings.append((kind, read))
        return read

    async def recorded(self, count: int = 1) -> list[Exchange]:
        """Waits until so many exchanges were recorded."""
        async with asyncio.timeout(5):
            while len(self.exchanges) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.exchanges

    @property
    def hooks(self) -> Hooks:
        return Hooks(
            is_observed=self._observes,
            wants_oci_chart=lambda _: self.wants_chart,
            admit=self._admit,
            record=self._record,
            saw_blob=lambda client, repository, _: self.blobs.append((client, repository)),
            saw_upload=lambda client, repository, _: self.uploads.append((client, repository)),
            saw_ping=self.pings.append,
            saw_blob_question=lambda client, _, digest: self.questions.append((client, digest)),
            parse=self._parse,
        )


class Running:
    """A proxy that listens."""

    def __init__(self, proxy: Proxy, runner: web.ServerRunner, port: int) -> None:
        self.proxy = proxy
        self.runner = runner
        self.port = port
        self.clients: list[RawConnection] = []

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    @staticmethod
    def settings(registry_url: str, **more: Any) -> ProxySettings:
        return ProxySettings(registry_url=registry_url, **more)

    async def connect(self) -> RawConnection:
        """A raw client; closed at the end of the test at the latest."""
        client = await connect(self.port)
        self.clients.append(client)
        return client

    async def ask(self, request: bytes) -> bytes:
        """All that comes for a request on a connection of its own; ask for `Connection: close`."""
        client = await self.connect()
        await client.send(request)
        async with asyncio.timeout(10):
            answer = await client.read_until_closed()
        client.close()
        return answer


StartProxy: TypeAlias = Callable[..., Awaitable[Running]]


@asynccontextmanager
async def running_proxy(noted: Noted, registry_url: str, **settings: Any) -> AsyncIterator[Running]:
    proxy = Proxy(ProxySettings(registry_url=registry_url, **settings), noted.hooks)
    await proxy.start()
    runner = web.ServerRunner(proxy.server(), shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = int(runner.addresses[0][1])
    running = Running(proxy, runner, port)
    try:
        yield running
    finally:
        for client in running.clients:
            client.close()
        await runner.cleanup()
        await proxy.close(1)
        await noted.parsers.close()


@pytest.fixture
def noted() -> Noted:
    return Noted()


@pytest.fixture
async def start_proxy(noted: Noted) -> AsyncIterator[StartProxy]:
    """Starts proxies; `await start_proxy(upstream.url, **settings)`."""
    started: list[Any] = []

    async def start(registry_url: str, **settings: Any) -> Running:
        context = running_proxy(noted, registry_url, **settings)
        started.append(context)
        return await context.__aenter__()

    yield start
    for context in reversed(started):
        await context.__aexit__(None, None, None)
