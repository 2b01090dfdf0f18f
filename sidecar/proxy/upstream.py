"""One request to an upstream, sent once.

aiohttp's client repeats GET, HEAD, PUT and DELETE by itself when a reused connection dies (aiohttp issue
10790), which would push or delete twice. Here that is disabled: a request that may change something always has
a connection of its own, and a GET or HEAD is repeated at most once, and logged, when the pooled connection
died before any byte of a response.
"""

import weakref
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

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
)
from aiohttp.abc import AbstractStreamWriter
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_writer import StreamWriter
from yarl import URL

from sidecar.model.errors import UpstreamUnavailable
from sidecar.proxy.headers import RawHeader, values_of
from sidecar.proxy.hearing import LARGEST_HEADS_BYTES, MOST_HEADERS_OF_ANSWER, Connector, Hearing
from sidecar.proxy.interface import TlsChoice
from sidecar.proxy.relay import Upload

log = structlog.get_logger()

READ_BYTES: Final = 1024 * 1024  #: measured: 64 KiB reads cost 1.4 times the CPU

#: The exceptions of reading from an upstream.
FAULTS: Final = (ClientError, OSError, HttpProcessingError)
_NEVER_SENT: Final = (ClientConnectorError, ConnectionTimeoutError)
_NOTHING_ADDED: Final = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")
#: Shorter than the idle timeout of servers.
_IDLE_CONNECTION_S: Final = 15.0

#: A status and headers that came before the final answer.
Informational = Callable[[int, str, list[RawHeader]], None]


class NothingSent(UpstreamUnavailable):
    """There was no connection, so the upstream cannot have done anything."""


@dataclass(slots=True, kw_only=True)
class Call:
    """One request in the form in which the upstream gets it."""

    method: str
    target: str  #: path and query as the client wrote them
    headers: list[RawHeader]
    body: Upload | None = None
    on_informational: Informational | None = None
    is_on_reused_connection: bool = field(default=False, init=False)
    is_last_on_connection: bool = field(default=False, init=False)

    @property
    def is_repeatable(self) -> bool:
        return self.method in {"GET", "HEAD"} and self.body is None

    @property
    def is_chunked(self) -> bool:
        return self.body is not None and not values_of(self.headers, b"content-length")

    def head(self, upstream: URL) -> bytes:
        """The head as sent to an upstream, whose address is the Host if the client sent none."""
        # Bytes that are not UTF-8 are in it as surrogates.
        target = (upstream.raw_path.rstrip("/") + self.target).encode("utf-8", "surrogateescape")
        headers = list(self.headers)
        if not values_of(headers, b"host"):
            headers.insert(0, (b"Host", upstream.raw_authority.encode()))
        if self.is_chunked:
            headers.append((b"Transfer-Encoding", b"chunked"))
        if self.is_last_on_connection:
            headers.append((b"Connection", b"close"))
        lines = [b"%s %s HTTP/1.1" % (self.method.encode(), target)]
        lines += [name + b": " + value for name, value in headers]
        return b"\r\n".join(lines) + b"\r\n\r\n"


# aiohttp creates request and response objects itself; this is how they find their call.
_current: ContextVar[Call] = ContextVar("call")


class _Request(ClientRequest):
    """A request whose head is the call's own bytes: aiohttp neither adds nor omits anything."""

    def update_expect_continue(self, expect: bool = False) -> None:  # noqa: FBT001, FBT002
        """The upload waits for 100 itself: it also knows when to stop waiting."""

    async def send(self, conn: Connection) -> ClientResponse:
        call = _current.get()
        protocol = conn.protocol
        assert isinstance(protocol, Hearing)
        call.is_on_reused_connection = protocol in _used
        _used.add(protocol)
        if call.body is not None:
            protocol.hear_to_the_end()
        return await super().send(conn)

    async def write_bytes(
        self, writer: AbstractStreamWriter, conn: Connection, content_length: int | None = None
    ) -> None:
        call = _current.get()
        assert isinstance(writer, StreamWriter)
        writer._headers_buf = call.head(self.url)  # noqa: SLF001
        writer.chunked = call.is_chunked
        await super().write_bytes(writer, conn, content_length)


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
        protocol.feed_data((message, body), 0)  # pushed back, for aiohttp to begin the response with
        return await super().start(connection)


class UpstreamConnections:
    """The pool for requests that may be repeated, and fresh connections for all others."""

    def __init__(self) -> None:
        self.pooled = _session(Connector(limit=0, keepalive_timeout=_IDLE_CONNECTION_S))
        self.fresh = _session(Connector(limit=0, force_close=True))

    async def close(self) -> None:
        await self.pooled.close()
        await self.fresh.close()


def _session(connector: TCPConnector) -> ClientSession:
    session = ClientSession(
        connector=connector,
        request_class=_Request,
        response_class=_Response,
        skip_auto_headers=_NOTHING_ADDED,
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        read_bufsize=READ_BYTES,
        max_line_size=LARGEST_HEADS_BYTES,
        max_field_size=LARGEST_HEADS_BYTES,
        max_headers=MOST_HEADERS_OF_ANSWER,
    )
    session._retry_connection = False  # noqa: SLF001  # has no public switch; tests/wire pins that it works
    return session


class Upstream:
    """A registry or chart repository."""

    def __init__(
        self, url: str, connections: UpstreamConnections, *, connect_timeout_s: float, tls: TlsChoice = True
    ) -> None:
        self.url = str(URL(url, encoded=True).with_user(None).with_query(None).with_fragment(None)).rstrip(
            "/"
        )
        self._address = URL(self.url, encoded=True)
        self._connections = connections
        self._tls = tls
        self._timeout = ClientTimeout(total=None, sock_connect=connect_timeout_s)

    async def send(self, call: Call) -> ClientResponse:
        """The upstream's response; the caller reads its body and closes it.

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
        """The target of a redirect to another host, and the request for it: without credentials."""
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
        call.is_last_on_connection = session is self._connections.fresh
        token = _current.set(call)
        try:
            return await session.request(
                call.method,
                self._address,
                data=Upload() if call.body is None else call.body,  # an empty one writes only the head
                allow_redirects=False,
                timeout=self._timeout,
                ssl=self._tls,
            )
        finally:
            _current.reset(token)


def _has_begun(exc: Exception) -> bool:
    """Whether a part of a response had arrived; aiohttp then carries it instead of a text."""
    return isinstance(exc, ServerDisconnectedError) and not isinstance(exc.message, str)
