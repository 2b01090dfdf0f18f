"""Connections to upstreams: complete heads, within limits, and the response of a broken connection.

aiohttp parses; features that it lacks are added here, on its protocol. tests/wire covers each
part (test_early_answers, test_upstream_heads).
"""

import asyncio
import os
import socket
from asyncio.sslproto import SSLProtocol
from contextlib import suppress
from functools import partial
from typing import Any, Final, cast

from aiohttp import ClientConnectorError, ClientTimeout, TCPConnector
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import BadHttpMessage

from sidecar.proxy.answer_head import normalized, status_of
from sidecar.proxy.heads import end_of_head

#: Of one response, with those before it (100, 103); no registry is known to send more.
LARGEST_HEADS_BYTES: Final = 1024 * 1024 + 64 * 1024
MOST_INFORMATIONAL: Final = 64  #: responses before the final one
MOST_HEADERS_OF_ANSWER: Final = 16_384

_LAST_READ_BYTES: Final = 64 * 1024
_MOST_LAST_READS: Final = 64


class Hearing(ResponseHandler):
    """A connection that passes complete heads to the parser, and reads a response after a failed write.

    An upstream that refuses an upload responds, closes, and resets later writes. If a write
    fails first, the event loop drops the connection with the response unread in the socket.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self._head: bytearray | None = None  #: the received part of a head; None during a body
        self._looked_at = 0
        self._heads_bytes = 0
        self._informational = 0
        self._has_no_body = False  #: the next response is one to HEAD
        self._ear: socket.socket | None = None

    def set_response_params(self, **params: Any) -> None:
        """A request is about to be sent on this connection: the next bytes are a head."""
        self._begin_head()
        self._heads_bytes = self._informational = 0
        self._has_no_body = bool(params.get("skip_payload"))
        super().set_response_params(**params)

    def hear_to_the_end(self) -> None:
        """Keep the response readable even after a failed write; for uploads."""
        sock = self.transport.get_extra_info("socket") if self.transport else None
        if self._ear is None and sock is not None and not self.transport.get_extra_info("sslcontext"):  # type: ignore[union-attr]
            self._ear = _second_handle(sock)

    def data_received(self, data: bytes) -> None:
        while self._head is not None and data:
            self._head += data
            end = end_of_head(self._head, self._looked_at)
            size = end if end >= 0 else len(self._head)
            if self._heads_bytes + size > LARGEST_HEADS_BYTES or self._informational > MOST_INFORMATIONAL:
                self._give_up()
                return
            if end < 0:
                self._looked_at = max(len(self._head) - 3, 0)
                return
            data = self._take_head(end)
            if self._head is None:
                if data:
                    self._take_body(data)
                return
        if self._head is None:
            self._take_body(data)

    def _take_body(self, data: bytes) -> None:
        if not self._has_no_body:
            super().data_received(data)
        elif data and self.transport is not None:
            # Go's server answers an invalid HEAD with a body, and closes: not an error.
            self.transport.close()

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._ear is not None:
            if exc is not None:
                for data in _unread(self._ear):
                    self.data_received(data)
            self._ear.close()
            self._ear = None
        if self._head:  # truncated: the parser knows that something arrived
            head, self._head = bytes(self._head), None
            super().data_received(head)
        super().connection_lost(exc)

    def _begin_head(self) -> None:
        self._head, self._looked_at = bytearray(), 0

    def _take_head(self, end: int) -> bytes:
        """Pass a complete head to the parser; returns the bytes after it."""
        assert self._head is not None
        head, rest = bytes(self._head[:end]), bytes(self._head[end:])
        self._heads_bytes += end
        self._head = None
        is_informational = 100 <= status_of(head) < 200 and status_of(head) != 101
        head = normalized(head)
        super().data_received(head)
        if is_informational:
            self._informational += 1
            self._begin_head()
        return rest

    def _give_up(self) -> None:
        self._head = None
        self._parser = None
        if self.transport is not None:
            self.transport.close()
        self.set_exception(BadHttpMessage("the head of the upstream's answer has no end"))


class _HearingTls(SSLProtocol):
    """TLS that reads the rest of the socket after a failed write, which event loops do not."""

    _ear: socket.socket | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        sock = transport.get_extra_info("socket")
        self._ear = _second_handle(sock) if sock is not None else None
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        ear, self._ear = self._ear, None
        if ear is not None:
            with ear:
                if exc is not None:
                    self._hear_out(ear)
        super().connection_lost(exc)

    def _hear_out(self, ear: socket.socket) -> None:
        for data in _unread(ear):
            self.get_buffer(len(data))[: len(data)] = data
            self.buffer_updated(len(data))


class Connector(TCPConnector):
    """Creates such connections, with or without TLS."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # There is no public way to give a connector its protocol; tests/wire covers this one.
        self._factory = cast("partial[ResponseHandler]", partial(Hearing, loop=self._loop))

    async def _wrap_create_connection(
        self, *args: Any, timeout: ClientTimeout, req: Any, **options: Any
    ) -> tuple[asyncio.Transport, ResponseHandler]:
        context, hostname = options.pop("ssl", None), options.pop("server_hostname", None)
        if context is None:
            return await super()._wrap_create_connection(*args, timeout=timeout, req=req, **options)
        protocol, ready = Hearing(self._loop), self._loop.create_future()
        tls = _HearingTls(self._loop, protocol, context, ready, server_hostname=hostname)
        transport, _ = await super()._wrap_create_connection(
            lambda: tls, *args[1:], timeout=timeout, req=req, **options
        )
        try:
            async with asyncio.timeout(timeout.sock_connect):
                await ready
        except OSError as exc:  # ssl.SSLError and TimeoutError, too
            transport.close()
            raise ClientConnectorError(req.connection_key, exc) from exc
        except BaseException:
            transport.close()
            raise
        return tls._app_transport, protocol  # noqa: SLF001


def _second_handle(sock: Any) -> socket.socket | None:
    """Another handle of a connection, which stays readable when its event loop has closed its own."""
    if sock.fileno() < 0:
        return None
    handle = socket.socket(fileno=os.dup(sock.fileno()))
    handle.settimeout(0)
    return handle


def _unread(ear: socket.socket) -> list[bytes]:
    pieces: list[bytes] = []
    with suppress(OSError):
        while len(pieces) < _MOST_LAST_READS and (data := ear.recv(_LAST_READ_BYTES)):
            pieces.append(data)
    return pieces
