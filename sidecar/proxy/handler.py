"""The journey of a request, top to bottom.

    arrive    which operation is it, whose upstream, what goes there
    prepare   an observed write: look-ups and intent, before anything is forwarded
    forward   to the upstream, once; its early refusal ends the upload
    answer    head and body to the client, an observed write recorded before

Sees no policy, store or payload: it is handed functions (interface.Hooks).
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import structlog
from aiohttp import ClientResponse, web
from aiohttp.http import HttpVersion11

from sidecar.model.errors import UpstreamUnavailable
from sidecar.model.exchange import Outcome
from sidecar.proxy import headers as headers_of
from sidecar.proxy.arrival import ClientRequest
from sidecar.proxy.budget import LEAST_FOR_A_BODY_BYTES
from sidecar.proxy.headers import RawHeader, text_of
from sidecar.proxy.identity import client_of, connection_of
from sidecar.proxy.interface import Hooks, ProxySettings
from sidecar.proxy.observer import Observer
from sidecar.proxy.observers import observer_of
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
from sidecar.proxy.request_context import RequestContext, Upstreams, arrive
from sidecar.proxy.tasks import Tasks
from sidecar.proxy.unharmed import unharmed, unharmed_work
from sidecar.proxy.upstream import FAULTS, Call, NothingSent

log = structlog.get_logger()

#: What a request turned out to be, for whoever counts it.
OPERATION: Final[web.RequestKey[Any]] = web.RequestKey("operation", object)


class Handler:
    """Takes each request on its journey; `apply` before the first."""

    _settings: ProxySettings
    _upstreams: Upstreams

    def __init__(self, hooks: Hooks, tasks: Tasks) -> None:
        self._hooks = hooks
        self._tasks = tasks
        #: Connections are not kept any longer.
        self.is_closing = False

    def apply(self, settings: ProxySettings, upstreams: Upstreams) -> None:
        """Use these for every request from now on; requests under way keep theirs."""
        self._settings = settings
        self._upstreams = upstreams

    async def answer(self, request: ClientRequest) -> web.StreamResponse:
        """Answer one request of a client, whatever happens."""
        if request.fault:
            response = await self._refuse(request, request.fault)
            await request.linger()
            return response
        try:
            with request.share as share:
                context = arrive(request, share, settings=self._settings, upstreams=self._upstreams)
                return await self._relay(context)
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

    async def _relay(self, context: RequestContext) -> web.StreamResponse:
        context.request[OPERATION] = context.operation
        observer = self._observer(context)
        body = await observer.request_body()
        answer = await self._forward(context, observer, body)
        try:
            return await self._answer(context, observer, answer)
        finally:
            answer.close()
            if body:
                await body.stop()

    def _observer(self, context: RequestContext) -> Observer:
        if not unharmed(self._hooks.is_observed, context.operation):
            return Observer(context, self._hooks, self._tasks)
        # From the headers that the upstream gets: it must not see another user than the event names.
        request = context.request
        context.client = client_of(
            context.headers,
            peer=request.remote or "",
            trusted=context.settings.trusted_proxies,
            connection=connection_of(request.raw_headers, request.get_extra_info("peername")),
        )
        return observer_of(context.operation)(context, self._hooks, self._tasks)

    async def _forward(
        self, context: RequestContext, observer: Observer, body: Upload | None
    ) -> ClientResponse:
        call = Call(
            method=context.request.method,
            target=context.target,
            headers=context.headers,
            body=body,
            on_informational=_informer(context.request, body),
        )
        try:
            answer = await context.upstream.send(call)
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
        self, context: RequestContext, observer: Observer, answer: ClientResponse
    ) -> web.StreamResponse:
        _bound_answer(context, answer)
        await observer.saw_head(answer)
        if answer.status < 400:
            self._lend_credentials(context)
        response = self._response(context, answer)
        outcome = Outcome.COMPLETED
        try:
            await taken(response.prepare(context.request))
            await relay_body(answer.content, response, observer.saw_piece, observer.before_end)
            await _end(response)
        except ClientGone:
            outcome = Outcome.CLIENT_GONE
        except FAULTS as exc:
            outcome = Outcome.UPSTREAM_FAILED
            log.warning("upstream.broke_off", method=context.request.method, error=type(exc).__name__)
        await observer.saw_end(outcome)
        if outcome is Outcome.UPSTREAM_FAILED:
            break_off(context.request)
        return response

    def _lend_credentials(self, context: RequestContext) -> None:
        """An open intent can only be settled by asking the upstream as somebody it knows."""
        authorization = text_of(context.headers, b"authorization")
        wanted = bool(authorization) and unharmed(self._hooks.wants_credentials, context.operation)
        if wanted:
            asking = self._hooks.reconcile_as(context.operation, authorization)
            self._tasks.start(unharmed_work(asking), name="reconcile")

    def _response(self, context: RequestContext, answer: ClientResponse) -> RelayedResponse:
        passed_on = headers_of.end_to_end(answer.raw_headers)
        response = RelayedResponse(
            status=answer.status,
            reason=answer.reason or "",
            headers=headers_of.with_own_location(passed_on, context.upstream.url),
        )
        if self.is_closing or not context.request.content.is_eof():
            response.force_close()
        return response


def _bound_answer(context: RequestContext, answer: ClientResponse) -> None:
    """Give the answer's body its part of what clients may hold; a client may read slowly, or not at all."""
    size_bytes = context.share.take_for_body(answer.content_length)
    if not size_bytes and context.request.method in {"GET", "HEAD"}:
        raise no_memory_left()  # nothing was changed by it
    transport = answer.connection.transport if answer.connection else None
    bound(answer.content, transport, size_bytes or LEAST_FOR_A_BODY_BYTES)


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
