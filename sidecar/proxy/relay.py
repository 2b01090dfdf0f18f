"""Streams bodies from one side to the other, with back-pressure.

A read waits until the previous write was accepted, so at most a few reads of each body are in memory.
Nothing here decides what a request means. It overrides internal parts of aiohttp's responses and
payloads; tests/wire covers each of them on the wire.
"""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Final, Protocol

from aiohttp import StreamReader, payload, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.client_exceptions import ClientConnectionResetError
from aiohttp.helpers import must_be_empty_body
from aiohttp.http import HttpVersion11

from sidecar.model.errors import SidecarError
from sidecar.proxy.budget import Share
from sidecar.proxy.headers import RawHeader, values_of

#: How long to wait for an upstream's "100 Continue" before the client is told to continue.
_CONTINUE_WAIT_S: Final = 3.0
_TRANSPORT_READ_BYTES: Final = 256 * 1024  #: of one read of a transport, as asyncio has it
_LEAST_READ_BYTES: Final = 32 * 1024


class ClientGone(SidecarError):
    """The client left, or sent an invalid body."""


class BodyCopy:
    """A bounded copy of a relayed body; abandoned when there is no memory for it."""

    def __init__(self, limit_bytes: int, share: Share) -> None:
        self._limit_bytes = limit_bytes
        self._share = share
        self._copy: bytearray | None = bytearray()  # not a list: a piece of one byte would take fifty

    def feed(self, piece: bytes) -> None:
        if self._copy is None:
            return
        if len(self._copy) + len(piece) <= self._limit_bytes and self._share.take(2 * len(piece)):
            self._copy += piece
            return
        self._share.release(2 * len(self._copy))
        self._copy = None

    @property
    def buffer(self) -> bytearray | None:
        """As `content`, without copying it once more; not to be changed."""
        return self._copy

    @property
    def content(self) -> bytes | None:
        """The whole body, None when it was larger than the limit or than the memory left."""
        return None if self._copy is None else bytes(self._copy)


class Tap(Protocol):
    """Observes a request body, and may act before its end is forwarded."""

    def feed(self, piece: bytes) -> None: ...

    async def before_last(self) -> None: ...


class Upload(payload.Payload):
    """A request body on its way from the client to the upstream.

    opening       the part that was read already
    rest          the source of the rest, None when there is none
    tap           observes each piece of the rest; the last one is withheld until it has acted
    say_continue  tells a client that waits with its body to send it; None for any other client
    """

    def __init__(
        self,
        *,
        opening: Iterable[bytes] = (),
        rest: StreamReader | None = None,
        tap: Tap | None = None,
        say_continue: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(None, content_type="application/octet-stream")
        self.is_complete = False
        self.client_gone = False
        self.fault: Exception | None = None  #: why the tap does not forward the end
        self._opening = tuple(opening)
        self._rest = rest
        self._tap = tap
        self._say_continue = say_continue
        self._go_ahead = asyncio.Event()
        self._timeout: asyncio.Timeout | None = None
        self._is_stopped = False
        self._left = asyncio.Event()

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:  # noqa: ARG002
        raise TypeError("a body that goes by cannot be decoded")

    def go_ahead(self) -> None:
        """The upstream said 100."""
        self._go_ahead.set()

    async def stop(self) -> None:
        """Stop sending: the upstream has responded. Returns when nothing reads from the client any more."""
        if self.is_complete or self._timeout is None:
            return
        self._is_stopped = True
        if not self._left.is_set() and self._timeout.when() is None:
            self._timeout.reschedule(asyncio.get_running_loop().time())
        await self._left.wait()

    async def write(self, writer: AbstractStreamWriter) -> None:
        try:
            async with asyncio.timeout(None) as self._timeout:
                await self._pump(writer)
                await writer.write_eof()
            self.is_complete = True
        except TimeoutError:
            if not self._is_stopped:
                raise
        except ClientGone:
            self.client_gone = True
            raise
        except ConnectionError:
            pass  # the upstream has closed; its response must still be read
        finally:
            self._left.set()
        if not self.is_complete:
            # Neither an end, which would make half a body look complete, nor a closed connection, on which
            # the answer could not be read: aiohttp cancels this when the answer is through, or lost.
            await asyncio.get_running_loop().create_future()

    async def _pump(self, writer: AbstractStreamWriter) -> None:
        await self._wait_for_go_ahead(writer)
        opening, held = list(self._opening), b""
        if self._tap is not None and opening:
            *opening, held = opening  # it may be the last
        for piece in opening:
            await writer.write(piece)
        if self._rest is None:
            return
        if not self._opening and not self._rest.at_eof():
            writer.send_headers()  # the upstream may refuse before the body comes
        if self._tap is None:
            while piece := await self._read():
                await writer.write(piece)
        else:
            await self._pump_through(self._tap, writer, held)

    async def _pump_through(self, tap: Tap, writer: AbstractStreamWriter, held: bytes) -> None:
        if not held:
            held = await self._read()
            tap.feed(held)
        while piece := await self._read():
            tap.feed(piece)
            await writer.write(held)
            held = piece
        if held:
            await self._act(tap)
            await writer.write(held)

    async def _act(self, tap: Tap) -> None:
        try:
            await tap.before_last()
        except Exception as exc:
            self.fault = exc
            raise

    async def _read(self) -> bytes:
        assert self._rest is not None
        try:
            return await self._rest.readany()
        except Exception as exc:
            raise ClientGone(f"request body ended early: {type(exc).__name__}") from exc

    async def _wait_for_go_ahead(self, writer: AbstractStreamWriter) -> None:
        if self._say_continue is None:
            return
        writer.send_headers()
        await writer.drain()
        try:
            async with asyncio.timeout(_CONTINUE_WAIT_S):
                await self._go_ahead.wait()
        except TimeoutError:
            pass  # an upstream that does not know Expect waits for the body
        self._say_continue()


def bound(body: StreamReader, transport: asyncio.BaseTransport | None, size_bytes: int) -> None:
    """Limit the memory of a body in transfer, over all buffers.

    These are the reader's buffer, the piece being relayed, and the socket's write buffer; each may exceed its
    share by one read of the transport.
    """
    high_bytes = max(size_bytes // 4, _LEAST_READ_BYTES)
    body._high_water = high_bytes  # noqa: SLF001  # there is no public way to make it smaller
    body._low_water = high_bytes // 2  # noqa: SLF001
    with suppress(AttributeError):  # uvloop's reads are of one size
        transport.max_size = min(high_bytes, _TRANSPORT_READ_BYTES)  # type: ignore[union-attr]


async def read_whole(content: StreamReader, limit_bytes: int) -> tuple[bytes, bool]:
    """The part of a body that fits, or one read more, and whether that is all of it."""
    read = bytearray()
    while piece := await content.readany():
        read += piece
        if len(read) > limit_bytes:
            return bytes(read), False
    return bytes(read), True


class RelayedResponse(web.StreamResponse):
    """A response whose head is the upstream's, byte for byte; only the framing is ours."""

    def __init__(self, *, status: int, reason: str, headers: list[RawHeader]) -> None:
        super().__init__(status=status, reason=reason)
        self._raw_head = headers

    async def _prepare_headers(self) -> None:
        request, writer = self._req, self._payload_writer
        assert request is not None
        assert writer is not None
        head = self._raw_head
        keep_alive = request.keep_alive if self._keep_alive is None else self._keep_alive
        length = values_of(head, b"content-length")
        if must_be_empty_body(request.method, self.status):
            pass
        elif length:
            writer.length = int(length[0])
        elif request.version >= HttpVersion11:
            writer.enable_chunking()
            head.append((b"Transfer-Encoding", b"chunked"))
        else:
            keep_alive = False  # an HTTP/1.0 client reads until the end of the connection
        if not keep_alive:
            head.append((b"Connection", b"close"))
        elif request.version < HttpVersion11:
            head.append((b"Connection", b"keep-alive"))
        self._keep_alive = keep_alive

    async def _write_headers(self) -> None:
        request, writer = self._req, self._payload_writer
        assert request is not None
        assert writer is not None
        version = request.version
        # aiohttp decodes a head with surrogateescape.
        status_line = f"HTTP/{version.major}.{version.minor} {self.status} {self.reason}"
        lines = [status_line.encode("utf-8", "surrogateescape")]
        lines += [name + b": " + value for name, value in self._raw_head]
        head = b"\r\n".join(lines) + b"\r\n\r\n"
        write_raw(request, head)
        writer.output_size += len(head)  # aiohttp then knows that no other answer can be given


def write_raw(request: web.BaseRequest, head: bytes) -> None:
    """Write a head to the client; raises ConnectionError when the client has left."""
    transport = request.transport
    if transport is None or transport.is_closing():
        raise ClientConnectionResetError("client has left")
    transport.write(head)


def break_off(request: web.BaseRequest) -> None:
    """End the client's connection, so that a truncated answer cannot look whole.

    With RST: the end of an answer to HTTP/1.0 is the orderly end of the connection.
    """
    transport = request.transport
    if transport is None:
        return
    sock = transport.get_extra_info("socket")
    if request.version < HttpVersion11 and sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    transport.close()  # the bytes so far are valid, and let a client resume


async def relay_body(
    source: StreamReader,
    response: web.StreamResponse,
    saw_piece: Callable[[bytes], None] | None,
    before_end: Callable[[], Awaitable[None]] | None,
) -> None:
    """Relay the rest of a body. Raises ClientGone, or the exceptions of reading from the upstream.

    before_end  called once, before the last piece is written, or before the end of the response if the last
                piece is known only afterwards
    """
    while piece := await source.readany():
        if saw_piece is not None:
            saw_piece(piece)
        if before_end is not None and source.at_eof():
            await before_end()
            before_end = None
        await taken(response.write(piece))
    if before_end is not None:
        await before_end()


async def taken(write: Awaitable[object]) -> None:
    """A write to the client; raises ClientGone when it was not accepted."""
    try:
        await write
    except (ConnectionError, RuntimeError) as exc:
        raise ClientGone("client left before it had the whole answer") from exc
