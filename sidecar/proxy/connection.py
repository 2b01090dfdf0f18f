"""One client connection as an aiohttp protocol; `incoming` parses its bytes.

aiohttp's own protocol parses any input, quotes it in its errors, and limits neither the size nor the time of
a head. Here its parser sees bodies only.
"""

import asyncio
from contextlib import suppress
from typing import Any, Final, cast

from aiohttp import StreamReader, web
from aiohttp.http import RawRequestMessage
from aiohttp.web_protocol import MAX_MSG_QUEUE_SIZE, RequestHandler

from sidecar.model.client_limits import ClientLimits
from sidecar.proxy.arrival import Arrival
from sidecar.proxy.budget import Budget
from sidecar.proxy.descriptors import OpenConnections
from sidecar.proxy.incoming import CONNECTION_BYTES, IncomingRequests
from sidecar.proxy.refusals import Refused, no_memory_left, refusal_body, whole_refusal
from sidecar.proxy.timer import Timer

#: How long a refused client may continue to send before its connection is closed: otherwise it might be reset
#: before the response was read. Source: Go's rstAvoidanceDelay.
_LINGER_S: Final = 0.5


class ClientConnection(RequestHandler):
    """One connection of a client.

    More than 15 methods: half of them are asyncio's and aiohttp's, which call them by these names.
    """

    __slots__ = ("_answer_timer", "_incoming", "_is_counted", "_left", "_limits", "_open", "_share")

    def __init__(
        self,
        manager: web.Server,
        *,
        loop: asyncio.AbstractEventLoop,
        budget: Budget,
        limits: ClientLimits,
        open_connections: OpenConnections,
        **options: Any,
    ) -> None:
        super().__init__(manager, loop=loop, keepalive_timeout=limits.idle_timeout_s, **options)
        self._open = open_connections
        self._is_counted = False
        self._limits = limits
        self._share = budget.share()
        self._incoming = IncomingRequests(
            self, self._parser, loop, budget=budget, share=self._share, limits=limits
        )
        self._answer_timer = Timer(loop, self._abort)
        self._left = asyncio.Event()

    @property
    def is_idle(self) -> bool:
        """Whether it is idle: nothing of a next request has arrived."""
        is_waiting = self._waiter is not None and not self._messages and self._incoming.is_idle
        return is_waiting and self._share.taken_bytes > 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not self._open.has_room() or not self._share.take(CONNECTION_BYTES):
            _turn_away(cast("asyncio.Transport", transport))
            self._manager = None  # connection_lost then has nothing to end
            return
        super().connection_made(transport)
        self._is_counted = True
        self._open.number += 1
        self._incoming.begin()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._incoming.stop()
        self._answer_timer.stop()
        self._left.set()
        self._give_back()
        for message, _ in self._messages:
            with cast("Arrival", message).share:
                pass
        self._messages.clear()
        super().connection_lost(exc)

    def give_way(self) -> None:
        """Close an idle connection, and give back its memory now rather than when it is closed."""
        self.force_close()
        self._give_back()

    def _give_back(self) -> None:
        self._share.release(self._share.taken_bytes)
        if self._is_counted:
            self._is_counted = False
            self._open.number -= 1

    def eof_received(self) -> None:
        self._left.set()

    async def linger(self) -> None:
        """Close the sending side, and wait briefly until the client has left."""
        if self.transport is None:
            return
        with suppress(OSError, RuntimeError, NotImplementedError):
            self.transport.write_eof()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_S):
                await self._left.wait()

    def data_received(self, data: bytes) -> None:
        if not self._force_close and not self._close:
            self._incoming.feed(data)

    # Called by its requests

    def queue(self, arrival: Arrival, payload: StreamReader) -> None:
        self._request_count += 1
        self._messages.append((cast("RawRequestMessage", arrival), payload))
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def has_enough(self) -> bool:
        return len(self._messages) >= MAX_MSG_QUEUE_SIZE

    def is_paused(self) -> bool:
        return self._reading_paused

    def hold_back(self) -> None:
        if not self._buffer_paused:
            self._pause_reading_for_buffer()

    # A response in progress

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  # repeats what the client sent
    ) -> web.StreamResponse:
        """A bug of ours that the handler did not catch."""
        self.log_exception("Error handling request from %s", request.remote, exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was begun already")
        refused = Refused("internal error", status=status, code="UNKNOWN")
        body = refusal_body(refused, is_registry=True)
        response = web.Response(status=status, body=body, content_type="application/json")
        response.force_close()
        return response

    def pause_writing(self) -> None:
        super().pause_writing()
        self._answer_timer.start(self._limits.stall_timeout_s)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._answer_timer.stop()

    def _abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()


def _turn_away(transport: asyncio.Transport) -> None:
    """Answer a connection that exceeds a limit, before it has sent anything."""
    transport.write(whole_refusal(no_memory_left()))
    transport.close()
