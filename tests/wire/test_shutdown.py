"""Stopping: what is under way ends well, for so long as there is time."""

import asyncio

import pytest

from sidecar.model.exchange import Exchange
from tests.support.raw_upstream import OK, RawConnection, RawUpstream, answering
from tests.wire.conftest import Noted, StartProxy

PATCH = b"PATCH /v2/prj/app/blobs/uploads/x HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n"


@pytest.mark.parametrize("by", ["runner", "proxy"])
async def test_upload_under_way_is_finished(start_proxy: StartProxy, by: str) -> None:
    async def script(connection: RawConnection) -> None:
        await connection.read_head()
        await connection.read(10)
        await connection.send(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")

    async with RawUpstream(script) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        await client.send(PATCH + b"hello")
        await asyncio.sleep(0.1)
        closing = asyncio.ensure_future(proxy.runner.cleanup() if by == "runner" else proxy.proxy.close(5))
        await asyncio.sleep(0.1)
        await client.send(b"world")
        answer = await client.read_until_closed()
        await closing
        assert upstream.received.endswith(b"\r\n\r\nhelloworld")
    assert answer == b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


async def test_idle_connections_do_not_hold_it_up(start_proxy: StartProxy) -> None:
    async with RawUpstream(answering()) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        await client.send(b"GET /v2/ HTTP/1.1\r\nHost: h\r\n\r\n")
        await client.read_head()
        await client.read(2)
        async with asyncio.timeout(1):
            await proxy.proxy.close(30)
            assert await client.read_until_closed() == b""


async def test_request_that_does_not_end_is_cut_off(start_proxy: StartProxy) -> None:
    async def script(connection: RawConnection) -> None:
        await connection.read_head()
        await connection.read_until_closed()

    async with RawUpstream(script) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        await client.send(b"GET /v2/ HTTP/1.1\r\nHost: h\r\n\r\n")
        await asyncio.sleep(0.1)
        async with asyncio.timeout(3):
            await proxy.proxy.close(0.2)
            assert await client.read_until_closed() == b""


@pytest.mark.parametrize("limit_s", [5.0, 0.1])
async def test_what_is_being_recorded_is_recorded(
    start_proxy: StartProxy, noted: Noted, limit_s: float
) -> None:
    async def on_record(exchange: Exchange) -> None:
        await asyncio.sleep(0.3)

    noted.on_record = on_record
    async with RawUpstream(answering(OK)) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        await client.send(b"GET /v2/prj/app/manifests/v1 HTTP/1.1\r\nHost: h\r\n\r\n")
        await client.read_head()
        await proxy.proxy.close(limit_s)
    assert len(noted.exchanges) == (1 if limit_s > 1 else 0)


async def test_accepted_write_is_recorded_though_its_request_is_cut_off(
    start_proxy: StartProxy, noted: Noted
) -> None:
    async def on_record(exchange: Exchange) -> None:
        await asyncio.sleep(1.5)

    async def script(connection: RawConnection) -> None:
        await connection.read_head()
        await connection.read(2)
        await connection.send(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")

    noted.on_record = on_record
    async with RawUpstream(script) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        await client.send(b"PUT /v2/prj/app/manifests/v1 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}")
        await asyncio.sleep(0.2)
        server = proxy.runner.server
        assert server is not None
        await server.shutdown(0.05)
        assert noted.exchanges == []
        await proxy.proxy.close(5)
    assert [exchange.status for exchange in noted.exchanges] == [201]
