"""The body that the connection of a client receives: framed by aiohttp's parser, behind a head of ours."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from aiohttp import StreamReader
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestPayloadError

from sidecar.proxy.arrival import Arrival
from sidecar.proxy.heads import Head
from sidecar.proxy.relay import bound
from sidecar.proxy.timer import Timer

# The parser gives back what follows a body only where the protocol changes behind it.
_FRAMING: Final = b"POST / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"


class IncomingBody:
    """The body of one request after the other."""

    __slots__ = (
        "_arrival",
        "_has_moved",
        "_is_paused",
        "_parser",
        "_stall_s",
        "_stream",
        "_timer",
        "is_broken",
    )

    def __init__(
        self,
        parser: Any,
        loop: asyncio.AbstractEventLoop,
        *,
        stall_timeout_s: float,
        is_paused: Callable[[], bool],
    ) -> None:
        """`is_paused` says whether nothing is read because whoever gets the body does not take it."""
        self._parser = parser
        self._stall_s = stall_timeout_s
        self._is_paused = is_paused
        self._stream: StreamReader | None = None
        self._arrival: Arrival | None = None
        self._has_moved = False  # since it was looked at
        self._timer = Timer(loop, self._look)
        self.is_broken = False  #: whatever still comes means nothing

    @property
    def is_coming(self) -> bool:
        return self._stream is not None

    def begin(
        self, arrival: Arrival, head: Head, size_bytes: int, transport: asyncio.Transport | None
    ) -> StreamReader:
        """What the body can be read from; `size_bytes` is what it may hold on its way."""
        framing = (
            b"Transfer-Encoding: chunked" if head.is_chunked else b"Content-Length: %d" % (head.length or 0)
        )
        messages, _, _ = self._parser.feed_data(_FRAMING + framing + b"\r\n\r\n")
        stream: StreamReader = messages[0][1]
        self._stream, self._arrival = stream, arrival
        bound(stream, transport, size_bytes)
        self._watch()
        return stream

    def feed(self, data: bytes) -> bytes:
        """Takes what has come; answers what follows the body."""
        self._has_moved = True
        try:
            _, is_through, rest = self._parser.feed_data(data)
        except HttpProcessingError:
            self._give_up("the body is malformed")
            return b""
        if not is_through:
            return b""
        self._parser.set_upgraded(False)
        self._stream = self._arrival = None
        self._timer.stop()
        return bytes(rest)

    def stop(self) -> None:
        """The connection is gone."""
        self._timer.stop()

    def _watch(self) -> None:
        self._has_moved = False
        self._timer.start(self._stall_s)

    def _look(self) -> None:
        """A body of which nothing has come since the last look has stalled, unless nothing more was read."""
        if self._stream is None:
            return
        if self._has_moved or self._is_paused():
            self._watch()
        else:
            self._give_up("the body did not go on")

    def _give_up(self, why: str) -> None:
        self.is_broken = True
        stream, self._stream = self._stream, None
        if self._arrival:
            self._arrival.should_close = True
        if stream:
            stream.set_exception(RequestPayloadError(why))
            stream.feed_eof()
