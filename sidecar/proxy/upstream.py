"""One request to an upstream, sent once.

aiohttp's client repeats GET, HEAD, PUT and DELETE by itself when a reused connection dies (aiohttp issue
10790), which would push or delete twice. Here that is switched off: what may change something always has
a connection of its own, and a GET or HEAD is repeated at most once, openly, when the pooled connection
died before any byte of an answer.
"""

import asyncio
import os
import socket
import weakref
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, cast

import structlog
from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientOSError,
    ClientRequest,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ConnectionTimeoutError,
    DummyCookieJar,
    ServerDisconnectedError,
    TCPConnector,
    hdrs,
)
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from sidecar.errors import UpstreamUnavailable
from sidecar.proxy.headers import RawHeader
from sidecar.proxy.interface import TlsChoice
from sidecar.proxy.relay import Upload

log = structlog.get_logger()

LONGEST_HEADER: Final = 32 * 1024  #: bearer tokens with many scopes are long
MOST_HEADERS: Final = 512
READ_BYTES: Final = 1024 * 1024  #: measured: 64 KiB reads cost 1.4 times the CPU

#: What a read from an upstream may raise.
FAULTS: Final = (ClientError, OSError, HttpProcessingError)
_NEVER_SENT: Final = (ClientConnectorError, ConnectionTimeoutError)
_NOTHING_ADDED: Final = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")
#: Shorter than what servers close idle connections after.
_IDLE_CONNECTION_S: Final = 15.0
_LAST_READ_BYTES: Final = 64 * 1024
_MOST_LAST_READS: Final = 32

#: A status and headers that came before the final answer.
Informational = Callable[[int, str, list[RawHeader]], None]


class NothingSent(UpstreamUnavailable):
    """There was no connection: the upstream cannot have done anything."""


@dataclass(slots=True, kw_only=True)
class Call:
    """One request as the upstream is to get it."""

    method: str
    target: str  #: path and query as the client wrote them
    headers: list[RawHeader]
    body: Upload | None = None
    on_informational: Informational | None = None
    is_on_reused_connection: bool = field(default=False, init=False)

    @property
    def is_repeatable(self) -> bool:
        return self.method in {"GET", "HEAD"} and self.body is None


# aiohttp makes request and response objects itself; this is how they find the call they belong to.
_current: ContextVar[Call] = ContextVar("call")


class _Request(ClientRequest):
    """A request to which aiohttp adds nothing."""

    def update_expect_continue(self, expect: bool = False) -> None:  # noqa: FBT001, FBT002
        """Waiting for 100 is the upload's business: it also knows when to stop waiting."""

    async def send(self, conn: Connection) -> ClientResponse:
        call = _current.get()
        if not any(name.lower() == b"content-length" for name, _ in call.headers):
            self.headers.pop(hdrs.CONTENT_LENGTH, None)
        assert conn.protocol is not None
        call.is_on_reused_connection = conn.protocol in _used
        _used.add(conn.protocol)
        return await super().send(conn)


#: Connections that carried a request before.
_used: "weakref.WeakSet[Any]" = weakref.WeakSet()


class _Response(ClientResponse):
    """A response that does not swallow what comes before it (100, 102, 103)."""

    async def start(self, connection: Connection) -> ClientResponse:
        call = _current.get()
        protocol = connection.protocol
        assert protocol is not None
        while True:
            message, body = await protocol.read()
            if message.code >= 200 or message.code == 101:
                break
            if call.on_informational:
                call.on_informational(message.code, message.reason, list(message.raw_headers))
        protocol.feed_data((message, body), 0)  # back again, for aiohttp to begin the answer with
        return await super().start(connection)


class _Protocol(ResponseHandler):
    """A connection whose last words are heard.

    An upstream that refuses an upload answers, closes, and resets what still arrives. When a write
    meets that reset first, asyncio gives the connection up with the answer unread in the socket.
    """

    def connection_lost(self, exc: BaseException | None) -> None:
        if exc is not None and self.transport is not None:
            self._read_last_words(self.transport)
        super().connection_lost(exc)

    def _read_last_words(self, transport: asyncio.Transport) -> None:
        sock = transport.get_extra_info("socket")
        if sock is None or transport.get_extra_info("sslcontext") or sock.fileno() < 0:
            return
        with suppress(OSError), socket.socket(fileno=os.dup(sock.fileno())) as unread:
            unread.settimeout(0)
            for _ in range(_MOST_LAST_READS):
                if not (data := unread.recv(_LAST_READ_BYTES)):
                    break
                self.data_received(data)


class Connections:
    """The pool for what may be repeated, and the means to connect afresh for everything else."""

    def __init__(self) -> None:
        self.pooled = _session(TCPConnector(limit=0, keepalive_timeout=_IDLE_CONNECTION_S))
        self.fresh = _session(TCPConnector(limit=0, force_close=True))

    async def close(self) -> None:
        await self.pooled.close()
        await self.fresh.close()


def _session(connector: TCPConnector) -> ClientSession:
    # There is no public way to hand a connector its protocol; tests/wire/test_early_answers.py pins this one.
    connector._factory = cast("partial[ResponseHandler]", partial(_Protocol, loop=connector._loop))  # noqa: SLF001
    session = ClientSession(
        connector=connector,
        request_class=_Request,
        response_class=_Response,
        skip_auto_headers=_NOTHING_ADDED,
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        read_bufsize=READ_BYTES,
        max_line_size=LONGEST_HEADER,
        max_field_size=LONGEST_HEADER,
        max_headers=MOST_HEADERS,
    )
    session._retry_connection = False  # noqa: SLF001  # has no public switch; tests/wire pins that it works
    return session


class Upstream:
    """A registry or chart repository."""

    def __init__(
        self, url: str, connections: Connections, *, connect_timeout_s: float, tls: TlsChoice = True
    ) -> None:
        self.url = str(URL(url, encoded=True).with_user(None).with_query(None).with_fragment(None)).rstrip(
            "/"
        )
        self._connections = connections
        self._tls = tls
        self._timeout = ClientTimeout(total=None, sock_connect=connect_timeout_s)

    async def send(self, call: Call) -> ClientResponse:
        """The upstream's answer, its body still to be read and to be closed by the caller.

        Raises UpstreamUnavailable; NothingSent when there was not even a connection.
        """
        try:
            answer = await self._send_once(call)
        except _NEVER_SENT as exc:
            raise NothingSent(f"upstream cannot be reached: {exc}") from exc
        except FAULTS as exc:
            raise UpstreamUnavailable(f"upstream gave no answer: {type(exc).__name__}") from exc
        if answer.status == 101:
            answer.close()
            raise UpstreamUnavailable("upstream switched to a protocol that nobody asked for")
        return answer

    def elsewhere(self, location: str, *, method: str) -> tuple["Upstream", Call]:
        """Where a redirect to another host leads, and the request for there: without credentials."""
        url = URL(location, encoded=True)
        base = Upstream(
            str(url.origin()), self._connections, connect_timeout_s=self._timeout.sock_connect or 0
        )
        host = (url.raw_authority or "").rpartition("@")[2].encode()
        return base, Call(method=method, target=url.raw_path_qs, headers=[(b"Host", host)])

    async def _send_once(self, call: Call) -> ClientResponse:
        if not call.is_repeatable:
            return await self._request(self._connections.fresh, call)
        try:
            return await self._request(self._connections.pooled, call)
        except (ServerDisconnectedError, ClientOSError) as exc:
            if isinstance(exc, _NEVER_SENT) or not call.is_on_reused_connection or _has_begun(exc):
                raise
            log.info("request.repeated", method=call.method, error=type(exc).__name__)
            return await self._request(self._connections.fresh, call)

    async def _request(self, session: ClientSession, call: Call) -> ClientResponse:
        token = _current.set(call)
        try:
            return await session.request(
                call.method,
                URL(self.url + call.target, encoded=True),
                headers=[(name.decode(), value.decode()) for name, value in call.headers],
                data=call.body,
                allow_redirects=False,
                timeout=self._timeout,
                ssl=self._tls,
            )
        finally:
            _current.reset(token)


def _has_begun(exc: Exception) -> bool:
    """Whether a part of an answer had come; aiohttp then carries it instead of a text."""
    return isinstance(exc, ServerDisconnectedError) and not isinstance(exc.message, str)
