"""No request reaches an upstream twice by itself (aiohttp issue 10790)."""

import asyncio

import pytest

from sidecar.proxy.upstream import UpstreamConnections
from tests.support.raw_upstream import OK, RawConnection, RawUpstream
from tests.wire.conftest import Noted, StartProxy

PATH = " /v2/prj/app/manifests/v1 HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"


def dying_after_one_answer() -> RawUpstream:
    """Each connection answers once, takes a second request, and dies without an answer."""

    async def script(connection: RawConnection) -> None:
        head = await connection.read_head()
        await connection.send(OK.removesuffix(b"ok") if head.startswith(b"HEAD") else OK)
        await connection.read_head()

    return RawUpstream(script)


async def ask(port_client: RawConnection, method: str) -> bytes:
    await port_client.send((method + PATH).encode())
    head = await port_client.read_head()
    if method != "HEAD" and b"Content-Length: " in head:
        await port_client.read(int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0]))
    return head.split(b"\r\n")[0]


@pytest.fixture(autouse=True)
def _without_look_ups(noted: Noted) -> None:
    noted.observes = lambda _: False


@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST", "PATCH", "OPTIONS"])
async def test_what_may_change_something_never_uses_an_old_connection(
    start_proxy: StartProxy, method: str
) -> None:
    async with dying_after_one_answer() as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        for _ in range(3):
            assert await ask(client, method) == b"HTTP/1.1 200 OK"
        assert len(upstream.connections) == 3
        assert len(upstream.heads) == 3


@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST"])
async def test_write_that_gets_no_answer_is_not_repeated(start_proxy: StartProxy, method: str) -> None:
    async def script(connection: RawConnection) -> None:
        await connection.read_head()

    async with RawUpstream(script) as upstream:
        proxy = await start_proxy(upstream.url)
        assert await ask(await proxy.connect(), method) == b"HTTP/1.1 502 Bad Gateway"
        await asyncio.sleep(0.1)
        assert len(upstream.heads) == 1


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_read_on_a_connection_that_died_is_repeated_once_on_a_fresh_one(
    start_proxy: StartProxy, method: str
) -> None:
    async with dying_after_one_answer() as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        assert await ask(client, "GET") == b"HTTP/1.1 200 OK"
        assert await ask(client, method) == b"HTTP/1.1 200 OK"
        assert [len(connection.received.split(b"\r\n\r\n")) - 1 for connection in upstream.connections] == [
            2,
            1,
        ]


async def test_read_on_a_fresh_connection_is_not_repeated(start_proxy: StartProxy) -> None:
    async def script(connection: RawConnection) -> None:
        await connection.read_head()

    async with RawUpstream(script) as upstream:
        proxy = await start_proxy(upstream.url)
        assert await ask(await proxy.connect(), "GET") == b"HTTP/1.1 502 Bad Gateway"
        assert len(upstream.heads) == 1


async def test_read_is_not_repeated_once_an_answer_had_begun(start_proxy: StartProxy) -> None:
    async def script(connection: RawConnection) -> None:
        await connection.read_head()
        await connection.send(OK)
        await connection.read_head()
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Le")

    async with RawUpstream(script) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        await ask(client, "GET")
        assert await ask(client, "GET") == b"HTTP/1.1 502 Bad Gateway"
        assert len(upstream.heads) == 2


async def test_aiohttp_still_has_the_switch_that_is_used() -> None:
    connections = UpstreamConnections()
    assert connections.pooled._retry_connection is False
    assert connections.fresh._retry_connection is False
    assert "_retry_connection" in type(connections.pooled).ATTRS
    await connections.close()
