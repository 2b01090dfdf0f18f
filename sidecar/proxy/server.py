"""Connections of clients: heads are read and bounded here, before anything else happens.

aiohttp's own protocol parses whatever comes, repeats it in its errors, and counts neither bytes nor time of
a head. Here a head is collected as it came, within the budget and its time, and read by `heads`; aiohttp's
parser sees bodies only, behind a head of ours. What is refused becomes a request too, with its fault, so that
every answer is made in one place.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import islice
from typing import Any, Final, cast

from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import MAX_MSG_QUEUE_SIZE, RequestHandler, RequestPayloadError

from sidecar.proxy.arrival import Arrival, ClientRequest, arrival_of, refused_by
from sidecar.proxy.budget import Budget
from sidecar.proxy.descriptors import most_connections
from sidecar.proxy.heads import (
    LARGEST_HEAD_BYTES,
    Head,
    HeadRefused,
    end_of_head,
    method_of,
    parse_head,
    path_of,
    too_large,
)
from sidecar.proxy.interface import Limits
from sidecar.proxy.refusals import Refused, no_memory_left, refusal_body, whole_refusal
from sidecar.proxy.relay import bound

#: What a connection takes of the budget, with all that is made for it.
CONNECTION_BYTES: Final = 8 * 1024
#: What a request takes, for each byte of its head and for each of its headers: measured.
_REQUEST_BYTES: Final = 16 * 1024
_FOR_EACH_BYTE: Final = 4
_FOR_EACH_HEADER: Final = 512

#: How long a refused client may go on sending before its connection is closed: else it might be reset
#: before the answer was read. Source: Go's rstAvoidanceDelay.
_LINGER_S: Final = 0.5
#: The first byte of a client that speaks TLS; no method begins with it.
_TLS_HANDSHAKE: Final = 0x16
#: For what was cancelled to leave.
_LAST_WAIT_S: Final = 0.2
#: Where there are as many connections as may be.
_CLOSED_AT_ONCE: Final = 16
_MOST_LOOKED_AT: Final = 1024  #: connections, for one that may be closed in favour of a new one

# The parser gives back what follows a body only where the protocol changes behind it.
_FRAMING: Final = b"POST / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"


class ClientConnection(RequestHandler):
    """One connection of a client."""

    __slots__ = (
        "_answer_clock",
        "_body",
        "_body_clock",
        "_body_of",
        "_budget",
        "_deadline",
        "_has_moved",
        "_is_counted",
        "_is_over",
        "_is_reading",
        "_left",
        "_limits",
        "_received",
        "_searched",
        "_server",
        "_share",
    )

    def __init__(
        self,
        manager: "Server",
        *,
        loop: asyncio.AbstractEventLoop,
        budget: Budget,
        limits: Limits,
        **options: Any,
    ) -> None:
        super().__init__(manager, loop=loop, keepalive_timeout=limits.idle_timeout_s, **options)
        self._server = manager
        self._is_counted = False
        self._budget = budget
        self._limits = limits
        self._share = budget.share()  # the connection's own, and what came of a head
        self._received = bytearray()  # of a head that is not whole, or of requests that wait
        self._searched = 0  # where the end of the head is not
        self._body: StreamReader | None = None  # the one that is being received
        self._body_of: Arrival | None = None
        self._is_over = False  # what still comes is thrown away
        self._is_reading = False
        self._deadline: asyncio.TimerHandle | None = None
        self._has_moved = False  # the body, since it was looked at
        self._body_clock: asyncio.TimerHandle | None = None
        self._answer_clock: asyncio.TimerHandle | None = None
        self._left = asyncio.Event()

    @property
    def is_idle(self) -> bool:
        """Whether it waits for a request of which nothing has come."""
        is_waiting = self._waiter is not None and not self._messages and not self._received
        return is_waiting and not self._is_reading and self._share.held_bytes > 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not self._server.has_room() or not self._share.take(CONNECTION_BYTES):
            _turn_away(cast("asyncio.Transport", transport))
            self._manager = None  # connection_lost has nothing to end then
            return
        super().connection_made(transport)
        self._is_counted = True
        self._server.open_connections += 1
        self._start_clock()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_clock()
        for clock in (self._body_clock, self._answer_clock):
            if clock:
                clock.cancel()
        self._left.set()
        self._received = bytearray()
        self._share.release(self._share.held_bytes)
        self._uncount()
        for message, _ in self._messages:
            with cast("Arrival", message).share:
                pass
        self._messages.clear()
        super().connection_lost(exc)

    def give_way(self) -> None:
        """End a connection that waits, and give back what it holds now rather than when it is closed."""
        self.force_close()
        self._share.release(self._share.held_bytes)
        self._uncount()

    def _uncount(self) -> None:
        if self._is_counted:
            self._is_counted = False
            self._server.open_connections -= 1

    def eof_received(self) -> None:
        self._left.set()

    async def linger(self) -> None:
        """Say the end, and wait until the client has left; not for long."""
        if self.transport is None:
            return
        with suppress(OSError, RuntimeError, NotImplementedError):
            self.transport.write_eof()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_S):
                await self._left.wait()

    def data_received(self, data: bytes) -> None:
        if self._force_close or self._close or self._is_over:
            return
        if self._body is not None:
            self._has_moved = True
            data = self._feed_body(data)
        if data or self._received:
            self._is_reading = True
            self._read_heads(data)
            self._is_reading = False

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  # repeats what the client sent
    ) -> web.StreamResponse:
        """A fault of ours that the handler did not see."""
        self.log_exception("Error handling request from %s", request.remote, exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was begun already")
        refused = Refused("internal error", status=status, code="UNKNOWN")
        body = refusal_body(refused, is_registry=True)
        response = web.Response(status=status, body=body, content_type="application/json")
        response.force_close()
        return response

    # Heads

    def _read_heads(self, data: bytes) -> None:
        rest: bytes | bytearray = data
        if self._received:
            self._received += data
            rest = self._received
        searched, is_waiting = self._searched, False
        while rest and not self._is_over:
            is_waiting = len(self._messages) >= MAX_MSG_QUEUE_SIZE
            if is_waiting or (end := end_of_head(rest, searched)) < 0:
                break
            head, rest, searched = bytes(rest[:end]), rest[end:], 0
            self._take_head(head)
            if self._body is not None:
                rest = self._feed_body(bytes(rest))
        self._keep(rest, is_waiting=is_waiting)

    def _keep(self, rest: bytes | bytearray, *, is_waiting: bool) -> None:
        """Wait for the rest of a head, or until requests before it are handled."""
        more_bytes = len(rest) + CONNECTION_BYTES - self._share.held_bytes
        if self._is_over or not rest:
            self._forget()
            return
        if rest is not self._received:
            self._received = bytearray(rest)
        if is_waiting:
            self._searched = 0
            self._stop_clock()
            if not self._buffer_paused:
                self._pause_reading_for_buffer()
            return
        if rest[0] == _TLS_HANDSHAKE:  # docker tries https first, and would wait for an answer
            self._refuse(refused_by(HeadRefused("TLS is not spoken here")), rest)
            return
        self._searched = max(len(rest) - 3, 0)
        if len(rest) > LARGEST_HEAD_BYTES:
            self._refuse(refused_by(too_large(rest)), rest)
        elif more_bytes > 0 and not self._share.take(more_bytes):
            self._refuse(no_memory_left(), rest)
        elif self._deadline is None:
            self._start_clock()

    def _forget(self) -> None:
        self._received = bytearray()
        self._searched = 0
        self._share.release(self._share.held_bytes - CONNECTION_BYTES)
        self._stop_clock()

    def _take_head(self, raw: bytes) -> None:
        share = self._budget.share()
        size_bytes = _REQUEST_BYTES + _FOR_EACH_BYTE * len(raw) + _FOR_EACH_HEADER * raw.count(b"\n")
        try:
            if len(raw) > LARGEST_HEAD_BYTES:
                raise too_large(raw)
            if not share.take(size_bytes):
                self._refuse(no_memory_left(), raw)
                return
            head = parse_head(raw)
        except HeadRefused as refused:
            share.release(share.held_bytes)
            self._refuse(refused_by(refused), raw)
            return
        has_body = head.is_chunked or bool(head.length)
        body_bytes = share.take_for_body(head.length) if has_body else 0
        if has_body and not body_bytes:
            share.release(share.held_bytes)
            self._refuse(no_memory_left(), raw)
            return
        self._arrived(arrival_of(head, share), head, body_bytes)

    def _arrived(self, arrival: Arrival, head: Head, body_bytes: int) -> None:
        payload = EMPTY_PAYLOAD
        if body_bytes:
            framing = (
                b"Transfer-Encoding: chunked"
                if head.is_chunked
                else b"Content-Length: %d" % (head.length or 0)
            )
            messages, _, _ = self._parser.feed_data(_FRAMING + framing + b"\r\n\r\n")  # type: ignore[union-attr]
            payload = messages[0][1]
            self._body, self._body_of = payload, arrival
            bound(payload, self.transport, body_bytes)
            self._watch_body()
        self._queue(arrival, payload)

    def _queue(self, arrival: Arrival, payload: StreamReader) -> None:
        self._request_count += 1
        self._messages.append((cast("RawRequestMessage", arrival), payload))
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _refuse(self, refused: Refused, received: bytes | bytearray) -> None:
        """Let it be answered, and read no more."""
        self._is_over = True
        path = path_of(received)
        share = self._budget.share()
        self._queue(Arrival(method=method_of(received), path=path, share=share, fault=refused), EMPTY_PAYLOAD)
        self._forget()

    # Bodies

    def _feed_body(self, data: bytes) -> bytes:
        """What follows the body."""
        assert self._parser is not None
        assert self._body is not None
        try:
            _, is_through, rest = self._parser.feed_data(data)
        except HttpProcessingError:
            self._give_body_up(self._body, "the body is malformed")
            return b""
        if not is_through:
            return b""
        self._parser.set_upgraded(False)
        self._body = self._body_of = None
        if self._body_clock:
            self._body_clock.cancel()
            self._body_clock = None
        return bytes(rest)

    def _give_body_up(self, body: StreamReader, why: str) -> None:
        self._is_over = True
        self._body = None
        if self._body_of:
            self._body_of.should_close = True
        body.set_exception(RequestPayloadError(why))
        body.feed_eof()

    # Time

    def _watch_body(self) -> None:
        self._has_moved = False
        self._body_clock = self._loop.call_later(self._limits.stall_timeout_s, self._look_at_body)

    def _look_at_body(self) -> None:
        """A body of which nothing has come since the last look has stalled, unless nothing more was read."""
        self._body_clock = None
        if self._body is None:
            return
        if self._has_moved or self._reading_paused:
            self._watch_body()
        else:
            self._give_body_up(self._body, "the body did not go on")

    def pause_writing(self) -> None:
        super().pause_writing()
        self._answer_clock = self._loop.call_later(self._limits.stall_timeout_s, self._answer_stalled)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._answer_clock:
            self._answer_clock.cancel()
            self._answer_clock = None

    def _answer_stalled(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def _start_clock(self) -> None:
        self._deadline = self._loop.call_later(self._limits.head_timeout_s, self._head_is_late)

    def _stop_clock(self) -> None:
        if self._deadline:
            self._deadline.cancel()
            self._deadline = None

    def _head_is_late(self) -> None:
        self._deadline = None
        if self._received:
            late = Refused("the head of the request did not come in time", status=408)
            self._refuse(late, self._received)
        else:
            self.force_close()


class Server(web.Server):
    """Drains before it closes: aiohttp's own shutdown drops what still arrives of a request body."""

    def __init__(
        self,
        handler: Callable[[ClientRequest], Awaitable[web.StreamResponse]],
        drain: Callable[[float], Awaitable[None]],
        *,
        budget: Budget,
        limits: Callable[[], Limits],
        **options: Any,
    ) -> None:
        super().__init__(cast("Any", handler), **options)
        self._drain = drain
        self._budget = budget
        self._limits = limits
        budget.reclaim = self._close_idle
        self.most_connections = most_connections()
        self.open_connections = 0

    def __call__(self) -> ClientConnection:
        return ClientConnection(
            self, loop=self._loop, budget=self._budget, limits=self._limits(), **self._kwargs
        )

    def has_room(self) -> bool:
        """Whether there may be one more connection, after idle ones were closed where there are too many."""
        if self.open_connections >= self.most_connections:
            self._close_idle(_CLOSED_AT_ONCE * CONNECTION_BYTES)
        return self.open_connections < self.most_connections

    def _close_idle(self, size_bytes: int) -> None:
        """Where memory is short, connections that wait for nothing make room: the oldest first."""
        enough = self._budget.free_bytes + size_bytes
        for connection in islice(self._connections, _MOST_LOOKED_AT):
            if self._budget.free_bytes >= enough:
                break
            if isinstance(connection, ClientConnection) and connection.is_idle:
                connection.give_way()

    def _make_request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: RequestHandler,
        writer: AbstractStreamWriter,
        task: "asyncio.Task[None]",
    ) -> ClientRequest:
        return ClientRequest(message, payload, protocol, writer, task, self._loop)

    def pre_shutdown(self) -> None:
        """Nothing yet: `shutdown` follows."""

    async def shutdown(self, timeout: float | None = None) -> None:
        await self._drain(timeout or 0)
        super().pre_shutdown()
        await super().shutdown(_LAST_WAIT_S)


def _turn_away(transport: asyncio.Transport) -> None:
    """Answer a connection that there is no room for, before it has said anything."""
    transport.write(whole_refusal(no_memory_left()))
    transport.close()
