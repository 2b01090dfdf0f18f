"""What all clients together make the proxy hold is bounded; what is under way is not disturbed by that."""

import asyncio
import json

from sidecar.model.client_limits import ClientLimits
from tests.support.raw_upstream import RawConnection, RawUpstream, answering
from tests.wire.conftest import Noted, Running, StartProxy

MIB = 1024 * 1024
CREATED = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
PUT = b"PUT /v2/prj/app/manifests/v1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"


async def taking_manifests(connection: RawConnection) -> None:
    head = await connection.read_head()
    length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    await connection.read(int(length.partition(b":")[2]))
    await connection.send(CREATED)


async def begin_manifest(proxy: Running, size: int) -> RawConnection:
    """A manifest whose last byte is still to come."""
    client = await proxy.connect()
    await client.send(PUT + b"Content-Length: %d\r\n\r\n" % size + b" " * (size - 1))
    return client


async def held(proxy: Running, size_bytes: int) -> None:
    """Wait until requests hold so much at least."""
    async with asyncio.timeout(5):
        while proxy.proxy.budget.taken_bytes < size_bytes:
            await asyncio.sleep(0.01)


async def nothing_held(proxy: Running) -> None:
    async with asyncio.timeout(5):
        while proxy.proxy.budget.taken_bytes:
            await asyncio.sleep(0.01)


async def test_manifest_beyond_the_limit_is_refused_and_those_under_way_end_well(
    start_proxy: StartProxy, noted: Noted
) -> None:
    async with RawUpstream(taking_manifests) as upstream:
        proxy = await start_proxy(upstream.url, limits=ClientLimits(client_memory_bytes=16 * MIB))
        under_way = [await begin_manifest(proxy, 3 * MIB) for _ in range(2)]
        await held(proxy, 12 * MIB)
        late = await proxy.connect()
        await late.send(PUT + b"Content-Length: 3145728\r\n\r\n")
        head = await late.read_head()
        body = await late.read_some()
        late.close()
        assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert b"\r\nRetry-After: 2" in head
        assert json.loads(body)["errors"][0]["code"] == "TOOMANYREQUESTS"
        for client in under_way:
            await client.send(b" ")
            assert (await client.read_head()).startswith(b"HTTP/1.1 201 ")
            client.close()
        await noted.recorded(2)
        await nothing_held(proxy)
        assert (await proxy.ask(PUT + b"Content-Length: 2\r\n\r\n{}")).startswith(b"HTTP/1.1 201 ")


async def test_manifests_that_never_end_are_given_up_and_hold_nothing(start_proxy: StartProxy) -> None:
    async with RawUpstream(taking_manifests) as upstream:
        limits = ClientLimits(client_memory_bytes=16 * MIB, body_timeout_s=0.3)
        proxy = await start_proxy(upstream.url, limits=limits)
        clients = [await begin_manifest(proxy, MIB) for _ in range(5)]
        for client in clients:
            assert (await client.read_head()).startswith(b"HTTP/1.1 408 Request Timeout\r\n")
            client.close()
        await nothing_held(proxy)
        assert upstream.received == b""


async def test_manifest_of_unknown_length_holds_what_it_is_as_soon_as_that_is_known(
    start_proxy: StartProxy, noted: Noted
) -> None:
    holding: list[int] = []

    async with RawUpstream(answering(CREATED)) as upstream:
        proxy = await start_proxy(upstream.url, limits=ClientLimits(client_memory_bytes=16 * MIB))

        async def look(_: object) -> None:
            holding.append(proxy.proxy.budget.taken_bytes)

        noted.on_admit = look
        await proxy.ask(PUT + b"Transfer-Encoding: chunked\r\n\r\n3\r\n{ }\r\n0\r\n\r\n")
        assert len(holding) == 1
        assert holding[0] < 400 * 1024


async def endless(connection: RawConnection) -> None:
    await connection.read_head()
    await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    while True:
        await connection.send(bytes(MIB))


BLOB = b"GET /v2/prj/app/blobs/sha256:" + b"a" * 64 + b" HTTP/1.1\r\nHost: h\r\n\r\n"


async def test_downloads_that_nobody_reads_are_refused_past_the_limit(start_proxy: StartProxy) -> None:
    async with RawUpstream(endless) as upstream:
        proxy = await start_proxy(upstream.url, limits=ClientLimits(client_memory_bytes=4 * MIB))
        statuses = []
        for _ in range(20):
            client = await proxy.connect()
            await client.send(BLOB)
            statuses.append((await client.read_head()).split(b" ")[1])
        begun = statuses.count(b"200")
        assert statuses == [b"200"] * begun + [b"503"] * (20 - begun)
        assert 4 < begun < 20
        for client in proxy.clients:
            client.reset()
        await nothing_held(proxy)


async def test_download_that_is_not_read_any_more_is_closed(start_proxy: StartProxy) -> None:
    async with RawUpstream(endless) as upstream:
        proxy = await start_proxy(upstream.url, limits=ClientLimits(stall_timeout_s=0.2))
        client = await proxy.connect()
        await client.send(BLOB)
        await client.read_head()
        await nothing_held(proxy)


async def test_upload_that_does_not_go_on_is_closed_and_the_upstream_does_not_see_its_end(
    start_proxy: StartProxy,
) -> None:
    async def taking(connection: RawConnection) -> None:
        await connection.read_head()
        while await connection.read_some():
            pass

    async with RawUpstream(taking) as upstream:
        proxy = await start_proxy(upstream.url, limits=ClientLimits(stall_timeout_s=0.2))
        client = await proxy.connect()
        await client.send(
            b"PATCH /v2/a/b/blobs/uploads/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        await client.send(b"5\r\nhello\r\n")
        assert (await client.read_head()).startswith(b"HTTP/1.1 400 ")
        client.close()
        await nothing_held(proxy)
        assert upstream.received.endswith(b"hello\r\n")


async def test_upload_whose_upstream_is_slow_has_not_stalled(start_proxy: StartProxy) -> None:
    size = 2 * MIB

    async def slow(connection: RawConnection) -> None:
        await connection.read_head()
        await asyncio.sleep(0.8)
        await connection.read(size)
        await connection.send(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")

    async with RawUpstream(slow) as upstream:
        proxy = await start_proxy(upstream.url, limits=ClientLimits(stall_timeout_s=0.5))
        client = await proxy.connect()
        head = b"PATCH /v2/a/b/blobs/uploads/x HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size
        await client.send(head + bytes(size))
        assert (await client.read_head()).startswith(b"HTTP/1.1 202 ")
