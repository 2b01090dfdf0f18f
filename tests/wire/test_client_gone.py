"""The client leaves: nothing is completed in its name, and nothing that happened is forgotten."""

import asyncio

import pytest

from sidecar.model.exchange import Outcome
from tests.support.raw_upstream import RawConnection, RawUpstream
from tests.wire.conftest import Noted, StartProxy


@pytest.mark.parametrize("path", [b"PATCH /v2/prj/app/blobs/uploads/x", b"POST /api/charts"])
@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize(
    ("framing", "part"),
    [
        (b"Content-Length: 100000", b"x" * 50_000),
        (b"Transfer-Encoding: chunked", b"c350\r\n" + b"x" * 50_000 + b"\r\n"),
    ],
)
async def test_upload_that_breaks_off_is_broken_off(
    start_proxy: StartProxy, noted: Noted, path: bytes, framing: bytes, part: bytes, *, reset: bool
) -> None:
    ended = asyncio.Event()

    async def script(connection: RawConnection) -> None:
        await connection.read_head()
        await connection.read_until_closed()
        ended.set()

    async with RawUpstream(script) as upstream:
        proxy = await start_proxy(upstream.url, chart_repository_url=upstream.url)
        client = await proxy.connect()
        await client.send(path + b" HTTP/1.1\r\nHost: h\r\n" + framing + b"\r\n\r\n" + part)
        await asyncio.sleep(0.1)
        client.reset() if reset else client.close()
        async with asyncio.timeout(5):
            await ended.wait()
        assert not upstream.received.endswith(b"0\r\n\r\n")
        assert upstream.received.count(b"x") < 100_000
    if path.startswith(b"POST"):
        (exchange,) = await noted.recorded()
        assert (exchange.status, exchange.outcome) == (0, Outcome.CLIENT_GONE)


async def test_manifest_that_breaks_off_is_never_forwarded(start_proxy: StartProxy, noted: Noted) -> None:
    async def script(connection: RawConnection) -> None:
        await connection.read_head()

    async with RawUpstream(script) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        await client.send(b"PUT /v2/prj/app/manifests/v1 HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nab")
        await asyncio.sleep(0.05)
        client.close()
        await asyncio.sleep(0.1)
        assert upstream.received == b""
    assert noted.intents == []
    assert noted.exchanges == []


@pytest.mark.parametrize("reset", [False, True])
async def test_write_that_the_upstream_accepts_is_recorded_though_the_client_left(
    start_proxy: StartProxy, noted: Noted, *, reset: bool
) -> None:
    may_answer = asyncio.Event()

    async def script(connection: RawConnection) -> None:
        await connection.read_head()
        await connection.read(2)
        await may_answer.wait()
        await connection.send(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")

    async with RawUpstream(script) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        await client.send(b"PUT /v2/prj/app/manifests/v1 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}")
        await asyncio.sleep(0.1)
        client.reset() if reset else client.close()
        await asyncio.sleep(0.1)
        may_answer.set()
        (exchange,) = await noted.recorded()
    assert (exchange.status, exchange.outcome) == (201, Outcome.COMPLETED)
    assert exchange.id == noted.intents[0].id


async def test_manifest_that_did_not_reach_the_client_is_no_pull(
    start_proxy: StartProxy, noted: Noted
) -> None:
    async def script(connection: RawConnection) -> None:
        await connection.read_head()
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 1000)
        await asyncio.sleep(0.2)
        await connection.send(b"x" * 2_999_000)
        await connection.read_until_closed()

    async with RawUpstream(script) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        await client.send(b"GET /v2/prj/app/manifests/v1 HTTP/1.1\r\nHost: h\r\n\r\n")
        await client.read_head()
        client.reset()
        (exchange,) = await noted.recorded()
    assert (exchange.status, exchange.outcome) == (200, Outcome.CLIENT_GONE)
    assert exchange.refusal is None


async def test_download_that_nobody_reads_any_longer_is_given_up(start_proxy: StartProxy) -> None:
    given_up = asyncio.Event()

    async def script(connection: RawConnection) -> None:
        await connection.read_head()
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        try:
            for _ in range(1000):
                await connection.send(b"x" * 1_000_000)
        except ConnectionError:
            given_up.set()

    async with RawUpstream(script) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        await client.send(b"GET /v2/prj/app/blobs/sha256:" + b"a" * 64 + b" HTTP/1.1\r\nHost: h\r\n\r\n")
        await client.read(100_000)
        client.close()
        async with asyncio.timeout(5):
            await given_up.wait()
