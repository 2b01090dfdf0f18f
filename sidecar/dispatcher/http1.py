"""One HTTP/1.1 connection to a target: one request at a time, and its answer.

Answers are untrusted: llhttp parses them (httptools), strictly; how much of one is taken is bounded, and
nothing that comes unasked is believed. Where llhttp gives up before it has told the status, the status line
is the answer all the same (`oddhead`), and the connection is closed.
"""

import asyncio
from dataclasses import dataclass
from typing import Final, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from sidecar.dispatcher.oddhead import may_have_ended, read_head, rewritten

LONGEST_ANSWER_BYTES: Final = 64 << 10  #: of a body; what comes after is not read
_LONGEST_HEAD_BYTES: Final = 64 << 10  #: of status line and headers, interim answers included
_MOST_BYTES: Final = 256 << 10  #: of all that comes, with what frames a body in chunks, and trailers
_HEADER_OVERHEAD: Final = 4  # colon, blank and line end
_SWITCHING_PROTOCOLS: Final = 101

_CLOSED: Final = "the connection was closed before an answer came"
_INVALID: Final = "the answer is not valid HTTP"


class NoAnswer(Exception):
    """Why there was no answer, in words; never with a URL, which may hold a token."""


@dataclass(slots=True)
class Answer:
    """What has come back so far."""

    status: int = 0  #: 0 until all headers are there
    retry_after: str = ""
    body: bytes = b""
    is_encoded: bool = False  #: compressed, which was not asked for


class Connection(asyncio.Protocol):
    """A connected transport; `is_reusable` says whether the last answer left it so.

    More than 15 methods: asyncio and the parser call eight of them, by these names.
    """

    def __init__(self) -> None:
        self._parser = HttpResponseParser(self)
        self._transport: asyncio.WriteTransport | None = None
        self._answer: Answer | None = None
        self._ended: asyncio.Future[None] | None = None
        self._received_bytes = 0
        self._header_bytes = 0
        self._head = b""  # all that has come, until the status is known
        self._is_odd = False  # the parser has given up on the head
        self._has_tunnel = False
        self.is_reusable = False

    @property
    def transport(self) -> asyncio.WriteTransport:
        assert self._transport
        return self._transport

    async def exchange(self, request: bytes, answer: Answer) -> None:
        """Send a request and fill in its answer.

        Raises NoAnswer, and OSError when the connection breaks before the answer's status line is there.
        Broken off later, or cancelled, the answer keeps what had come.
        """
        self.is_reusable = False
        self._received_bytes = self._header_bytes = 0
        self._head = b""
        self._answer = answer
        self._ended = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        try:
            await self._ended
        finally:
            self._take_status(answer)
            self._answer = None

    async def open_tunnel(self, request: bytes) -> None:
        """Send a CONNECT request; all that follows belongs to the tunnel. Raises as `exchange` does."""
        answer, self._has_tunnel = Answer(), True
        await self.exchange(request, answer)
        if answer.status // 100 != 2:
            raise NoAnswer(f"the proxy answered {answer.status}")

    def join(self, transport: asyncio.WriteTransport) -> None:
        """Speak over a transport that another protocol has connected."""
        self._transport = transport

    def close(self) -> None:
        """At once: nothing is on its way that anybody waits for, and TLS would wait for the peer's close_notify."""
        self.transport.abort()
        self.is_reusable = False

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's is not a subclass

    def data_received(self, data: bytes) -> None:
        if self._answer is None:  # nothing was asked
            self.close()
            return
        self._received_bytes += len(data)
        if not self._answer.status:
            self._head += data
        if self._is_odd and not self._answer.status:
            if may_have_ended(self._head, len(data)):
                self._read_odd_head()
        else:
            self._parse(data)
        self._limit_head(self._received_bytes)
        if self._received_bytes > _MOST_BYTES:  # chunks and trailers without end
            self._end()

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            self.is_reusable = False
            self._end()
        except HttpParserError:
            if self._is_odd or self._answer is None or self._answer.status:
                self._end(NoAnswer(_INVALID))
            else:
                self._is_odd = True
                self._read_odd_head()

    def _read_odd_head(self) -> None:
        """Go on with a head that the parser understands, as soon as this one has ended."""
        head = read_head(self._head)
        self._head = head.begins
        if head.is_hopeless:
            self._end(NoAnswer(_INVALID))
        elif head.status and head.rest is not None and self._answer:
            self._answer.retry_after, self._answer.is_encoded = "", False
            self._header_bytes = 0
            self._parser = HttpResponseParser(self)
            self._parse(rewritten(head) + head.rest)

    def _take_status(self, answer: Answer) -> None:
        """Of a head that broke off or never ended; not for a tunnel, which begins where the head ends."""
        if answer.status or self._has_tunnel:
            return
        head = read_head(self._head)
        if head.status:
            answer.status = head.status
            answer.retry_after = (head.named(b"retry-after") or [b""])[-1].decode("latin-1")

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_reusable = False
        self._end(exc or NoAnswer(_CLOSED))

    # What the parser calls

    def on_message_begin(self) -> None:
        if self._answer is None:  # a second answer to one request
            self.is_reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_bytes += len(name) + len(value) + _HEADER_OVERHEAD
        self._limit_head(self._header_bytes)
        if self._answer is None:
            return
        if name.lower() == b"retry-after":
            self._answer.retry_after = value.decode("latin-1")
        elif name.lower() == b"content-encoding":
            self._answer.is_encoded = True

    def on_headers_complete(self) -> None:
        if self._answer is None:
            return
        status = self._parser.get_status_code()
        if status < 200 and status != _SWITCHING_PROTOCOLS:  # interim: the real one is to come
            self._answer.retry_after, self._answer.is_encoded = "", False
            return
        self._answer.status = status
        if self._has_tunnel:
            self._end()

    def on_body(self, body: bytes) -> None:
        if self._answer is None:
            return
        self._answer.body += body[: LONGEST_ANSWER_BYTES - len(self._answer.body)]
        if len(self._answer.body) == LONGEST_ANSWER_BYTES:
            self._end()

    def on_message_complete(self) -> None:
        if self._answer and self._answer.status:
            is_http_still = not self._is_odd and self._answer.status != _SWITCHING_PROTOCOLS
            # An answer that came before the request had gone out may never be followed by reading the rest.
            has_sent = not self.transport.get_write_buffer_size()
            self.is_reusable = has_sent and is_http_still and self._parser.should_keep_alive()
            self._end()

    def _limit_head(self, size: int) -> None:
        if size > _LONGEST_HEAD_BYTES and self._answer and not self._answer.status:
            self._end(NoAnswer(_INVALID))

    def _end(self, fault: Exception | None = None) -> None:
        """The answer is whole, or as much of it as there will be."""
        answer, self._answer = self._answer, None
        if answer is None or self._ended is None or self._ended.done():
            return
        self._take_status(answer)
        if fault and not answer.status:
            self._ended.set_exception(fault)
        else:  # the status is the answer; its body may be late, broken or endless
            self._ended.set_result(None)
