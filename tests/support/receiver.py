"""A webhook receiver on a real socket: keeps every request as it came, answers as it is told.

It runs in a thread of its own, so a test may be synchronous or not, and may block.
"""

import asyncio
import contextlib
import json
import ssl
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from tests.support.certificates import write_certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request."""

    method: str
    path: str  #: with its query, percent-encoding as sent
    headers: tuple[tuple[str, str], ...]  #: in order, names as spelt
    body: bytes
    at: float  #: time.time() when the body was complete

    def header(self, name: str) -> str:
        """The first header of that name in any case; empty when there is none."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int = 200
    delay_s: float = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    raw: bytes | None = None  #: written instead of an HTTP answer, then the connection is closed


Respond = Callable[[Received], Answer]


def accept(_: Received) -> Answer:
    return Answer()


class BackgroundServer:
    """An aiohttp application on a free loopback port, in a thread with a loop of its own."""

    def __init__(self, application: web.Application, *, tls: ssl.SSLContext | None = None) -> None:
        self._application = application
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.port = 0

    def start(self, *, port: int = 0) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(port), self._loop).result(timeout=10)

    async def _start(self, port: int) -> None:
        self._runner = web.AppRunner(self._application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port, ssl_context=self._tls, backlog=1024)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _stop(self) -> None:
        handlers = self._runner.server.connections if self._runner.server else []
        transports = [handler.transport for handler in handlers if handler.transport]
        await self._runner.cleanup()
        for (
            transport
        ) in transports:  # TLS would wait for the client's close_notify, which comes after this loop
            with contextlib.suppress(AttributeError):  # Python 3.11.2, when it was closed twice before
                transport.abort()
        left = asyncio.all_tasks() - {asyncio.current_task()}  # answers that nobody waits for any more
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()


class Double(ABC):
    """A double of an outside server, on a loopback port while its block lasts."""

    _server: BackgroundServer

    @abstractmethod
    def application(self) -> web.Application:
        """What it answers by."""

    def __enter__(self) -> Self:
        self._server = BackgroundServer(self.application())
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()


class Receiver:
    """`respond` may be replaced at any time; `port` brings a receiver back where one was before."""

    def __init__(self, respond: Respond = accept, *, tls_in: Path | None = None, port: int = 0) -> None:
        """With `tls_in` it speaks HTTPS with a certificate for 127.0.0.1 written to that folder."""
        self.respond = respond
        self.certificate = write_certificate(tls_in) if tls_in else None
        self._port = port
        self._requests: list[Received] = []
        self._changed = threading.Condition()

    def __enter__(self) -> Self:
        application = web.Application(client_max_size=64 << 20)
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._server = BackgroundServer(application, tls=self._tls())
        self._server.start(port=self._port)
        self._port = self._server.port
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        return f"{'https' if self.certificate else 'http'}://127.0.0.1:{self._port}"

    @property
    def requests(self) -> list[Received]:
        with self._changed:
            return list(self._requests)

    def clear(self) -> None:
        with self._changed:
            self._requests.clear()

    def wait_for(self, count: int, timeout_s: float = 10) -> list[Received]:
        """All requests once there are at least `count`; what came and what did not when time is up."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._requests) >= count, timeout_s):
                came = [
                    f"{request.method} {request.path} {request.body[:200]!r}" for request in self._requests
                ]
                raise TimeoutError(f"{len(came)} of {count} requests after {timeout_s} s: {came}")
            return list(self._requests)

    async def arrived(self, count: int, timeout_s: float = 10) -> list[Received]:
        """wait_for, for a test that shares its loop with what it tests."""
        return await asyncio.to_thread(self.wait_for, count, timeout_s)

    def settle(self, quiet_s: float = 1, timeout_s: float = 60) -> list[Received]:
        """All requests, once none has come for `quiet_s`."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while self._changed.wait(min(quiet_s, deadline - time.monotonic())):
                pass
            return list(self._requests)

    def _tls(self) -> ssl.SSLContext | None:
        if self.certificate is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate.path, self.certificate.key_path)
        return context

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        headers = tuple(
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in request.raw_headers
        )
        received = Received(
            method=request.method,
            path=request.raw_path,
            headers=headers,
            body=await request.read(),
            at=time.time(),
        )
        answer = self.respond(received)
        with self._changed:
            self._requests.append(received)
            self._changed.notify_all()
        await asyncio.sleep(answer.delay_s)
        if answer.raw is not None and request.transport:
            request.transport.write(answer.raw)
            request.transport.close()
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body)
