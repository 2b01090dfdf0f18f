"""Connections to targets: dialled under the egress guard, through a proxy where there is one, used again.

No connection serves two sets of TLS options, nor two proxies.
"""

import asyncio
import os
import socket
import ssl
import time
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from aiohappyeyeballs import start_connection

from sidecar.dispatcher.egress import Dial, Guard, format_address
from sidecar.dispatcher.http1 import Connection, NoAnswer
from sidecar.dispatcher.resolver import Lookups

# Shorter than what receivers keep idle connections for (gunicorn 2 s, Node and uvicorn 5 s): a POST on a
# connection that the other side is just closing fails, and would be seen as the target's failure.
_KEEPALIVE_S: Final = 1.5
_NEXT_ADDRESS_S: Final = 0.25  # RFC 8305, section 5


@dataclass(frozen=True, slots=True)
class ProxyRoute:
    """The proxy in between."""

    host: str
    port: int
    is_tls: bool
    connect_request: bytes  #: opens the tunnel; b"" where the proxy reads the requests themselves


@dataclass(frozen=True, slots=True)
class Route:
    """How to get to a target; requests with equal routes may share connections."""

    host: str
    port: int
    tls: ssl.SSLContext | None  #: None for plain http
    proxy: ProxyRoute | None
    proxy_tls: ssl.SSLContext | None  #: for a proxy that is spoken to by TLS


@dataclass(slots=True)
class TargetConnections:
    """All of a client's; close them when it ends."""

    guard: Guard
    _lookups: Lookups = field(default_factory=Lookups)
    _idle: dict[Route, list[tuple[float, Connection]]] = field(default_factory=dict)
    _sweeping: asyncio.TimerHandle | None = None

    def idle(self, route: Route, dial: Dial) -> Connection | None:
        """A connection that is open and free."""
        waiting = self._idle.get(route)
        while waiting:
            at, connection = waiting.pop()
            if connection.is_reusable and time.monotonic() - at < _KEEPALIVE_S:
                _note(dial, connection.transport)
                return connection
            connection.close()
        return None

    async def connect(self, route: Route, dial: Dial) -> Connection:
        """A new connection; raises NoAnswer, and OSError."""
        proxy = route.proxy
        if proxy is None:
            connection = await self._open(route.host, route.port, route.tls, dial)
        else:
            self.guard.check_named(dial, route.port)
            try:
                connection = await self._open(proxy.host, proxy.port, route.proxy_tls, dial)
            except (OSError, NoAnswer) as exc:
                raise NoAnswer(f"the proxy cannot be reached: {words(exc)}") from exc
            if proxy.connect_request:
                connection = await _tunnel(connection, route, proxy)
        _note(dial, connection.transport)
        return connection

    def give_back(self, route: Route, connection: Connection) -> None:
        """Keep a connection for the next request, if its last answer left it usable."""
        if not connection.is_reusable:
            connection.close()
            return
        self._idle.setdefault(route, []).append((time.monotonic(), connection))
        if not self._sweeping:
            self._sweep_later()

    def close(self) -> None:
        """Close what is idle."""
        for waiting in self._idle.values():
            for _, connection in waiting:
                connection.close()
        self._idle.clear()
        if self._sweeping:
            self._sweeping.cancel()
            self._sweeping = None

    async def _open(self, host: str, port: int, tls: ssl.SSLContext | None, dial: Dial) -> Connection:
        try:
            infos = await self._lookups.addresses(host, port)
        except socket.gaierror as exc:
            raise NoAnswer(f"the host name cannot be resolved: {words(exc)}") from exc
        sock = await start_connection(
            infos,
            happy_eyeballs_delay=_NEXT_ADDRESS_S,
            interleave=1,
            socket_factory=partial(self.guard.open_socket, dial),
        )
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                Connection, sock=sock, ssl=tls, server_hostname=host.rstrip(".") if tls else None
            )
        except ssl.SSLError as exc:
            raise _no_tls(exc) from exc
        return connection

    def _sweep_later(self) -> None:
        self._sweeping = asyncio.get_running_loop().call_later(_KEEPALIVE_S, self._sweep)

    def _sweep(self) -> None:
        since = time.monotonic() - _KEEPALIVE_S
        for route, waiting in list(self._idle.items()):
            for at, connection in waiting:
                if at <= since:
                    connection.close()
            self._idle[route] = [entry for entry in waiting if entry[1].is_reusable]
            if not self._idle[route]:
                del self._idle[route]
        self._sweeping = None
        if self._idle:
            self._sweep_later()


async def _tunnel(connection: Connection, route: Route, proxy: ProxyRoute) -> Connection:
    assert route.tls
    tunnelled = Connection()
    try:
        await connection.open_tunnel(proxy.connect_request)
        transport = await asyncio.get_running_loop().start_tls(
            connection.transport, tunnelled, route.tls, server_hostname=route.host.rstrip(".")
        )
    except BaseException as exc:
        connection.close()
        if isinstance(exc, ssl.SSLError):
            raise _no_tls(exc) from exc
        raise
    assert transport
    tunnelled.join(transport)
    return tunnelled


def _note(dial: Dial, transport: asyncio.WriteTransport) -> None:
    dial.tls = transport.get_extra_info("ssl_object")
    if peer := transport.get_extra_info("peername"):
        dial.address = format_address(peer[0], peer[1])


def _no_tls(exc: ssl.SSLError) -> NoAnswer:
    if isinstance(exc, ssl.SSLCertVerificationError):
        return NoAnswer(f"the certificate is not accepted: {exc.verify_message or exc}")
    return NoAnswer(f"no TLS connection: {words(exc)}")


def words(exc: Exception) -> str:
    """A failure in words, without the addresses that asyncio puts into its messages."""
    if not isinstance(exc, OSError):
        return str(exc) or type(exc).__name__
    text = exc.strerror or str(exc) or type(exc).__name__
    if exc.errno and "call failed" in text:
        text = os.strerror(exc.errno)
    return text.lower()
