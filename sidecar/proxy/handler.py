"""The journey of a request, top to bottom.

    arrive    which operation is it, whose upstream, what goes there
    prepare   an observed write: look-ups and intent, before anything is forwarded
    forward   to the upstream, once; its early refusal ends the upload
    answer    head and body to the client, an observed write recorded before

Sees no policy, store or payload: it is handed functions (interface.Hooks).
"""

import asyncio
import logging
import re
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import structlog
from aiohttp import ClientResponse, web
from aiohttp.http import HttpVersion11

from sidecar.model.errors import UpstreamUnavailable
from sidecar.model.exchange import Client, Outcome
from sidecar.model.operation import Operation, Other, is_registry_path
from sidecar.proxy import headers as headers_of
from sidecar.proxy.arrival import ClientRequest
from sidecar.proxy.budget import LEAST_FOR_A_BODY_BYTES, Budget, Share
from sidecar.proxy.headers import RawHeader, text_of
from sidecar.proxy.heap import Heap
from sidecar.proxy.identity import client_of, connection_of, is_trusted
from sidecar.proxy.interface import Hooks, ProxySettings, TlsChoice
from sidecar.proxy.observers import observer_of
from sidecar.proxy.operations import operation_of
from sidecar.proxy.refusals import Refused, no_memory_left, refuse
from sidecar.proxy.relay import (
    ClientGone,
    RelayedResponse,
    Upload,
    bound,
    break_off,
    relay_body,
    taken,
    write_raw,
)
from sidecar.proxy.request_context import Observer, RequestContext, unharmed, unharmed_work
from sidecar.proxy.server import Server
from sidecar.proxy.tasks import Tasks
from sidecar.proxy.upstream import (
    FAULTS,
    READ_BYTES,
    Call,
    Connections,
    NothingSent,
    Upstream,
)

log = structlog.get_logger()

_ABSOLUTE_FORM: Final = re.compile(r"https?://(?:[^/?@]*@)?(?P<host>[^/?@]+)(?P<rest>.*)", re.IGNORECASE)
_OPERATION: Final[web.RequestKey[Any]] = web.RequestKey("operation", object)
_NOBODY: Final = Client(address="", operator="", user_agent="")


class Proxy:
    """Relays requests of the proxy listener; `start` before, `close` after."""

    def __init__(self, settings: ProxySettings, hooks: Hooks) -> None:
        self._hooks = hooks
        self._tasks = Tasks()
        self._connections: Connections | None = None
        self._server: web.Server | None = None
        self._requests_in_flight = 0
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._is_closing = False
        self._settings = settings
        #: What all clients together make this process hold.
        self.budget = Budget(settings.limits.client_memory_bytes)
        self._heap = Heap(self.budget)

    async def start(self) -> None:
        self._connections = Connections()
        self.apply(self._settings)

    def apply(self, settings: ProxySettings) -> None:
        """Use these settings for every request from now on; requests under way keep theirs."""
        assert self._connections is not None, "start() first"
        self._settings = settings
        self.budget.limit_bytes = settings.limits.client_memory_bytes
        self._registry = self._upstream(settings.registry_url, settings.registry_tls)
        charts_url = settings.chart_repository_url
        self._charts = self._upstream(charts_url, settings.chart_repository_tls) if charts_url else None

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
        self._is_closing = True
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
            response = await self._answer_or_refuse(request)
            status = response.status
            return response
        finally:
            operation = request.get(_OPERATION, Other())
            unharmed(self._hooks.finished, operation, status, time.monotonic() - began)
            self._requests_in_flight -= 1
            if not self._requests_in_flight:
                self._is_idle.set()

    async def _answer_or_refuse(self, request: ClientRequest) -> web.StreamResponse:
        if request.fault:
            response = await self._refuse(request, request.fault)
            await request.linger()
            return response
        try:
            return await self._journey(request)
        except Refused as refused:
            return await self._refuse(request, refused)
        except UpstreamUnavailable as exc:
            log.warning("upstream.unreachable", method=request.method, error=str(exc))
            return await self._refuse(request, Refused("upstream does not answer", status=502))
        except ClientGone as gone:
            return await self._refuse(request, Refused(str(gone), status=400, code="SIZE_INVALID"))
        except Exception:  # our own bug: said here once, and no trace of it to the client
            log.exception("request.failed", method=request.method)
            return await self._refuse(request, Refused("internal error", status=500, code="UNKNOWN"))

    async def _refuse(self, request: web.BaseRequest, refused: Refused) -> web.StreamResponse:
        if request.writer.output_size:  # a part of another answer is out: only breaking off is honest
            break_off(request)
        try:
            return await refuse(request, refused)
        except ClientGone:
            return RelayedResponse(status=refused.status, reason="", headers=[])

    # The journey

    async def _journey(self, request: ClientRequest) -> web.StreamResponse:
        with request.share as share:
            return await self._relay(self._arrive(request, share))

    async def _relay(self, passage: RequestContext) -> web.StreamResponse:
        passage.request[_OPERATION] = passage.operation
        observer = self._observer(passage)
        body = await observer.request_body()
        answer = await self._forward(passage, observer, body)
        try:
            return await self._answer(passage, observer, answer)
        finally:
            answer.close()
            if body:
                await body.stop()

    def _arrive(self, request: web.BaseRequest, share: Share) -> RequestContext:
        authority, target = _split_target(request)
        kept = headers_of.end_to_end(request.raw_headers)
        if authority:
            kept = headers_of.with_host(kept, authority)
        settings, peer = self._settings, request.remote or ""
        path = target.partition("?")[0]
        is_registry = is_registry_path(path)
        return RequestContext(
            request=request,
            path=path,
            target=target,
            operation=self._operation(request, target, is_registry=is_registry),
            upstream=self._registry if is_registry or not self._charts else self._charts,
            headers=headers_of.with_forwarded(
                kept,
                peer=peer,
                scheme="https" if request.get_extra_info("sslcontext") else "http",
                peer_is_trusted=is_trusted(peer, settings.trusted_proxies),
            ),
            client=_NOBODY,
            settings=settings,
            share=share,
            say_continue=_continuation(request, kept),
        )

    def _operation(self, request: web.BaseRequest, target: str, *, is_registry: bool) -> Operation:
        if not is_registry and not self._charts:
            return Other()
        return operation_of(request, target, self._settings.routes)

    def _observer(self, passage: RequestContext) -> Observer:
        if not unharmed(self._hooks.is_observed, passage.operation):
            return Observer(passage, self._hooks, self._tasks)
        # From the headers that the upstream gets: it must not see another user than the event names.
        request = passage.request
        passage.client = client_of(
            passage.headers,
            peer=request.remote or "",
            trusted=passage.settings.trusted_proxies,
            connection=connection_of(request.raw_headers, request.get_extra_info("peername")),
        )
        return observer_of(passage.operation)(passage, self._hooks, self._tasks)

    async def _forward(
        self, passage: RequestContext, observer: Observer, body: Upload | None
    ) -> ClientResponse:
        call = Call(
            method=passage.request.method,
            target=passage.target,
            headers=passage.headers,
            body=body,
            on_informational=_informer(passage.request, body),
        )
        try:
            answer = await passage.upstream.send(call)
        except UpstreamUnavailable as exc:
            if body and body.client_gone:
                await observer.saw_no_answer(Outcome.CLIENT_GONE, 0)
                raise ClientGone("request body ended early") from exc
            if body and isinstance(
                body.fault, Refused
            ):  # denied when all of it had come; its end was held back
                await observer.saw_no_answer(Outcome.UPSTREAM_FAILED, 0)
                raise body.fault from exc
            never_sent = isinstance(exc, NothingSent)
            await observer.saw_no_answer(Outcome.UPSTREAM_FAILED, 502 if never_sent else 0)
            raise
        if body and answer.status >= 300:
            await body.stop()
        return answer

    async def _answer(
        self, passage: RequestContext, observer: Observer, answer: ClientResponse
    ) -> web.StreamResponse:
        self._bound_answer(passage, answer)
        await observer.saw_head(answer)
        if answer.status < 400:
            self._lend_credentials(passage)
        response = self._response(passage, answer)
        outcome = Outcome.COMPLETED
        try:
            await taken(response.prepare(passage.request))
            await relay_body(answer.content, response, observer.saw_piece, observer.before_end)
            await _end(response)
        except ClientGone:
            outcome = Outcome.CLIENT_GONE
        except FAULTS as exc:
            outcome = Outcome.UPSTREAM_FAILED
            log.warning("upstream.broke_off", method=passage.request.method, error=type(exc).__name__)
        await observer.saw_end(outcome)
        if outcome is Outcome.UPSTREAM_FAILED:
            break_off(passage.request)
        return response

    @staticmethod
    def _bound_answer(passage: RequestContext, answer: ClientResponse) -> None:
        """Give the answer's body its part of what clients may hold; a client may read slowly, or not at all."""
        size_bytes = passage.share.take_for_body(answer.content_length)
        if not size_bytes and passage.request.method in {"GET", "HEAD"}:
            raise no_memory_left()  # nothing was changed by it
        transport = answer.connection.transport if answer.connection else None
        bound(answer.content, transport, size_bytes or LEAST_FOR_A_BODY_BYTES)

    def _lend_credentials(self, passage: RequestContext) -> None:
        """An open intent can only be settled by asking the upstream as somebody it knows."""
        authorization = text_of(passage.headers, b"authorization")
        wanted = bool(authorization) and unharmed(self._hooks.wants_credentials, passage.operation)
        if wanted:
            asking = self._hooks.reconcile_as(passage.operation, authorization)
            self._tasks.start(unharmed_work(asking), name="reconcile")

    def _response(self, passage: RequestContext, answer: ClientResponse) -> RelayedResponse:
        kept = headers_of.end_to_end(answer.raw_headers)
        response = RelayedResponse(
            status=answer.status,
            reason=answer.reason or "",
            headers=headers_of.with_own_location(kept, passage.upstream.url),
        )
        if self._is_closing or not passage.request.content.is_eof():
            response.force_close()
        return response


async def _end(response: web.StreamResponse) -> None:
    """End an answer whose body is written.

    docker closes its connection as soon as it has as many bytes as were announced: it may be gone by now,
    with all of the answer. Only an answer without a length misses something then: its last chunk.
    """
    try:
        await taken(response.write_eof())
    except ClientGone:
        if response.content_length is None:
            raise


def _split_target(request: web.BaseRequest) -> tuple[bytes, str]:
    """The authority of an absolute-form target, b"" for the usual form; path and query."""
    target = request.raw_path
    if target.startswith("/"):
        return b"", target
    absolute = _ABSOLUTE_FORM.fullmatch(target)
    if not absolute:
        raise Refused("request target is not supported", status=400, code="UNSUPPORTED")
    rest = absolute["rest"]
    return absolute["host"].encode(), rest if rest.startswith("/") else f"/{rest}"


def _continuation(request: web.BaseRequest, headers: list[RawHeader]) -> Callable[[], None] | None:
    """How to tell a client that waits with its body to send it."""
    expects = text_of(headers, b"expect").lower() == "100-continue"
    if not expects or request.version < HttpVersion11:
        return None

    def say_continue() -> None:
        with suppress(ConnectionError):  # reading the body says so, too
            write_raw(request, b"HTTP/1.1 100 Continue\r\n\r\n")

    return say_continue


def _informer(request: web.BaseRequest, body: Upload | None) -> Callable[[int, str, list[RawHeader]], None]:
    def inform(status: int, reason: str, headers: list[RawHeader]) -> None:
        if status == 100:
            if body:
                body.go_ahead()
            return
        if request.version < HttpVersion11 or request.writer.output_size:
            return
        lines = [f"HTTP/1.1 {status} {reason}".encode("utf-8", "surrogateescape")]
        lines += [name + b": " + value for name, value in headers_of.end_to_end(headers)]
        with suppress(ConnectionError):
            write_raw(request, b"\r\n".join(lines) + b"\r\n\r\n")

    return inform


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
