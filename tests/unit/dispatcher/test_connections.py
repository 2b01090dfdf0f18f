"""Connections are shared by equal routes only, and not kept for long; failures in words."""

import asyncio
import errno
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from sidecar.dispatcher import connections as module
from sidecar.dispatcher.connections import Route, TargetConnections, words
from sidecar.dispatcher.egress import Dial, Guard
from sidecar.dispatcher.http1 import Answer, Connection, NoAnswer
from tests.wire.delivery_raw_targets import a_raw_target, answers

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
REQUEST = b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"


@asynccontextmanager
async def a_used_connection(raw: bytes = OK) -> AsyncIterator[tuple[TargetConnections, Route, Connection]]:
    """One that has had an answer and was given back."""
    async with a_raw_target(answers(raw)) as target:
        connections = TargetConnections(Guard())
        route = Route("127.0.0.1", target.port, None, None, None)
        connection = await connections.connect(route, Dial())
        await connection.exchange(REQUEST, Answer())
        connections.give_back(route, connection)
        yield connections, route, connection
        connections.close()


@pytest.fixture
def however_busy_the_machine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """No connection is idle for too long within a test."""
    monkeypatch.setattr(module, "_KEEPALIVE_S", 3600.0)


@pytest.mark.usefixtures("however_busy_the_machine_is")
async def test_a_connection_is_used_again_for_an_equal_route() -> None:
    async with a_used_connection() as (connections, route, connection):
        dial = Dial()
        assert connections.idle(replace(route, proxy_tls=ssl.create_default_context()), dial) is None
        assert connections.idle(replace(route), dial) is connection
        assert dial.address == f"127.0.0.1:{route.port}"
        assert connections.idle(route, dial) is None


async def test_a_connection_that_says_close_is_not_kept() -> None:
    async with a_used_connection(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")) as (
        connections,
        route,
        connection,
    ):
        assert connections.idle(route, Dial()) is None
        assert connection.transport.is_closing()


async def test_a_connection_that_was_closed_meanwhile_is_not_used() -> None:
    async with a_used_connection() as (connections, route, connection):
        connection.connection_lost(None)
        assert connections.idle(route, Dial()) is None


async def test_a_connection_that_was_idle_for_long_is_not_used_though_it_is_not_swept_yet() -> None:
    async with a_used_connection() as (connections, route, connection):
        connections._idle[route] = [(time.monotonic() - module._KEEPALIVE_S, connection)]
        assert connections.idle(route, Dial()) is None
        assert connection.transport.is_closing()


async def test_an_idle_connection_is_closed_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KEEPALIVE_S", 0.05)
    async with a_used_connection() as (connections, _, connection):
        async with asyncio.timeout(30):
            while not connection.transport.is_closing():
                await asyncio.sleep(0.01)
        assert not connections._idle


async def test_a_proxy_that_cannot_be_reached_is_said() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        proxy = module.ProxyRoute("127.0.0.1", bound.getsockname()[1], False, b"")  # noqa: FBT003
        route = Route("h", 80, None, proxy, None)
        with pytest.raises(NoAnswer, match="the proxy cannot be reached: connection refused"):
            await TargetConnections(Guard()).connect(route, Dial())


@pytest.mark.parametrize(
    ("exc", "said"),
    [
        (
            ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('10.0.0.1', 1)"),
            "connection refused",
        ),
        (ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), "connection reset by peer"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "name or service not known"),
        (ssl.SSLError(1, "wrong version number"), "wrong version number"),
        (NoAnswer("the answer is not valid HTTP"), "the answer is not valid HTTP"),
        (OSError(), "oserror"),
        (ValueError(), "ValueError"),
    ],
)
def test_words(exc: Exception, said: str) -> None:
    assert words(exc) == said
