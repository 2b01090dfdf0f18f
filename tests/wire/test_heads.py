"""Heads of requests as clients may send them: whole, in pieces, late, too large, malformed, without end."""

import asyncio
import json
from typing import Any

import pytest

from sidecar.model.client_limits import ClientLimits
from sidecar.proxy.heads import LARGEST_HEAD_BYTES, LONGEST_LINE_BYTES
from sidecar.proxy.server import Server
from tests.support.raw_upstream import OK, RawConnection, RawUpstream, answering
from tests.wire.conftest import Running, StartProxy

MIB = 1024 * 1024
SECRET = b"czNjcjN0OnMzY3IzdA=="
GET = b"GET /v2/ HTTP/1.1\r\nHost: h\r\n"
CLOSING = GET + b"Connection: close\r\n"


def parts_of(answer: bytes) -> tuple[int, bytes, bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), head, body


def error_of(body: bytes) -> Any:
    (error,) = json.loads(body)["errors"]
    assert set(error) == {"code", "message", "detail"}
    return error


async def echo_of_bodies(connection: RawConnection) -> None:
    while True:
        head = await connection.read_head()
        body = b""
        if b"chunked" in head:
            body = await connection.read_chunked()
        elif b"Content-Length: " in head:
            body = await connection.read(int(head.partition(b"Content-Length: ")[2].split(b"\r\n")[0]))
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


@pytest.mark.parametrize(
    "headers",
    [
        b"Authorization: Bearer " + b"x" * 33_000 + b"\r\n",
        b"Cookie: " + b"x" * 40_000 + b"\r\n",
        b"".join(b"X-%d: y\r\n" % number for number in range(520)),
        b"X-Large: " + b"x" * 1_000_000 + b"\r\n",
    ],
)
async def test_large_heads_arrive_as_they_were_sent(start_proxy: StartProxy, headers: bytes) -> None:
    async with RawUpstream(answering()) as upstream:
        proxy = await start_proxy(upstream.url)
        status, _, _ = parts_of(await proxy.ask(CLOSING + headers + b"\r\n"))
        assert status == 200
        assert headers in upstream.received


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (CLOSING + b"Authorization: Basic " + SECRET + b"x" * LARGEST_HEAD_BYTES + b"\r\n\r\n", 431),
        (CLOSING + (b"Authorization: Basic " + SECRET + b"\r\n") * 9000 + b"\r\n", 431),
        (b"GET /v2/?" + SECRET + b"x" * LONGEST_LINE_BYTES + b" HTTP/1.1\r\nHost: h\r\n\r\n", 414),
        (b"GET /v2/?" + SECRET + b"x" * LARGEST_HEAD_BYTES, 414),
        (b"GET /v2/ " + SECRET + b" HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        (b"GET " + SECRET + b" HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        (CLOSING + b"Authorization: Basic " + SECRET + b"\x00\r\n\r\n", 400),
        (CLOSING + b"Authorization : Basic " + SECRET + b"\r\n\r\n", 400),
        (CLOSING + b"Authorization Basic " + SECRET + b"\r\n\r\n", 400),
        (b"GET /v2/ HTTP/1.1\r\nHost: " + SECRET + b" \x80\r\n\r\n", 400),
        (SECRET + b"\r\n\r\n", 400),
        (b"CONNECT /v2/ HTTP/1.1\r\nHost: h\r\nProxy-Authorization: " + SECRET + b"\r\n\r\n", 405),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SECRET, 505),
        (CLOSING + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + SECRET, 501),
        (CLOSING + b"Transfer-Encoding: chunked\r\n\r\n" + SECRET + b"\r\n\r\n", 400),
    ],
)
async def test_what_is_refused_is_refused_in_one_form_that_repeats_nothing(
    start_proxy: StartProxy, caplog: pytest.LogCaptureFixture, request_bytes: bytes, status: int
) -> None:
    async with RawUpstream(answering()) as upstream:
        proxy = await start_proxy(upstream.url)
        answer = await proxy.ask(request_bytes)
        assert parts_of(answer)[0] == status
        error_of(parts_of(answer)[2])
        assert b"\r\nContent-Type: application/json; charset=utf-8\r\n" in answer
        assert SECRET not in answer
        assert SECRET.decode() not in caplog.text
        assert (await proxy.ask(CLOSING + b"\r\n")).endswith(b"\r\n\r\nok")


async def test_refusal_of_head_has_no_body(start_proxy: StartProxy) -> None:
    async with RawUpstream(answering()) as upstream:
        proxy = await start_proxy(upstream.url)
        answer = await proxy.ask(b"HEAD /v2/ HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n")
        assert parts_of(answer)[0] == 400
        assert parts_of(answer)[2] == b""


async def test_refusal_outside_of_the_registry_is_in_the_chart_repository_s_form(
    start_proxy: StartProxy,
) -> None:
    async with RawUpstream(answering()) as upstream:
        proxy = await start_proxy(upstream.url)
        answer = await proxy.ask(b"GET /api/charts HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n")
        assert json.loads(parts_of(answer)[2]) == {"error": "more than one Host"}


async def test_answer_is_read_by_a_client_that_goes_on_sending(start_proxy: StartProxy) -> None:
    async with RawUpstream(answering()) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        await client.send(CLOSING + b"X: " + b"x" * 3 * MIB)
        assert (await client.read_head()).startswith(b"HTTP/1.1 431 ")
        error_of(await client.read_until_closed())


@pytest.mark.parametrize("size", [1, 3, 7])
async def test_head_in_small_pieces_is_one_request(start_proxy: StartProxy, size: int) -> None:
    request = CLOSING + b"Content-Length: 5\r\nX: y\r\n\r\nhello"
    async with RawUpstream(echo_of_bodies) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        for at in range(0, len(request), size):
            await client.send(request[at : at + size])
            await asyncio.sleep(0)
        assert (await client.read_until_closed()).endswith(b"\r\n\r\nhello")
        assert b"\r\nX: y\r\n" in upstream.received


async def test_requests_behind_each_other_are_answered_in_order(start_proxy: StartProxy) -> None:
    """With bodies of both kinds, in one piece and cut anywhere."""
    put = b"PUT /v2/x HTTP/1.1\r\nHost: h\r\n"
    lengths = b"".join(put + b"Content-Length: 2\r\n\r\n%02d" % number for number in range(10))
    chunks = b"".join(
        put
        + b"Transfer-Encoding: chunked\r\n\r\n1;x=y\r\n%d\r\n1\r\n%d\r\n0\r\nT: t\r\n\r\n"
        % divmod(number, 10)
        for number in range(10, 20)
    )
    requests = lengths + chunks + CLOSING + b"\r\n"
    async with RawUpstream(echo_of_bodies) as upstream:
        proxy = await start_proxy(upstream.url)
        for cut in (len(requests), 1000, 77, 13):
            client = await proxy.connect()
            for at in range(0, len(requests), cut):
                await client.send(requests[at : at + cut])
                await asyncio.sleep(0)
            answers = (await client.read_until_closed()).split(b"HTTP/1.1 200 OK\r\n")[1:]
            bodies = [answer.partition(b"\r\n\r\n")[2] for answer in answers]
            assert bodies == [*(b"%02d" % number for number in range(20)), b""]


async def test_more_requests_at_once_than_are_kept_are_all_answered(start_proxy: StartProxy) -> None:
    async with RawUpstream(answering()) as upstream:
        proxy = await start_proxy(upstream.url)
        answer = await proxy.ask((GET + b"\r\n") * 300 + CLOSING + b"\r\n")
        assert answer.count(b"HTTP/1.1 200 OK") == 301


async def closed(client: RawConnection) -> bytes:
    async with asyncio.timeout(5):
        return await client.read_until_closed()


async def test_connection_that_says_nothing_is_closed(start_proxy: StartProxy) -> None:
    async with RawUpstream(answering()) as upstream:
        proxy = await start_proxy(upstream.url, limits=ClientLimits(head_timeout_s=0.1))
        assert await closed(await proxy.connect()) == b""


async def test_head_that_never_ends_is_answered_408_and_closed(start_proxy: StartProxy) -> None:
    async with RawUpstream(answering()) as upstream:
        proxy = await start_proxy(upstream.url, limits=ClientLimits(head_timeout_s=0.1))
        client = await proxy.connect()
        await client.send(GET + b"X: y")
        status, _, body = parts_of(await closed(client))
        assert status == 408
        error_of(body)


async def test_head_that_drips_is_closed_all_the_same(start_proxy: StartProxy) -> None:
    async with RawUpstream(answering()) as upstream:
        proxy = await start_proxy(upstream.url, limits=ClientLimits(head_timeout_s=0.3))
        client = await proxy.connect()

        async def drip() -> None:
            while True:
                await client.send(b"x")
                await asyncio.sleep(0.02)

        dripping = asyncio.create_task(drip())
        assert parts_of(await closed(client))[0] == 408
        dripping.cancel()


async def test_head_of_a_later_request_has_its_time_too(start_proxy: StartProxy) -> None:
    async with RawUpstream(answering()) as upstream:
        proxy = await start_proxy(upstream.url, limits=ClientLimits(head_timeout_s=0.2))
        client = await proxy.connect()
        await client.send(GET + b"\r\n")
        await client.read_head()
        assert await client.read(2) == b"ok"
        await asyncio.sleep(0.4)  # idle is not late
        await client.send(GET + b"\r\n")
        await client.read_head()
        assert await client.read(2) == b"ok"
        await client.send(b"GET /")
        assert parts_of(await closed(client))[0] == 408


async def test_time_of_a_head_does_not_end_an_answer_that_takes_longer(start_proxy: StartProxy) -> None:
    async def slow(connection: RawConnection) -> None:
        await connection.read_head()
        await asyncio.sleep(0.4)
        await connection.send(OK)

    async with RawUpstream(slow) as upstream:
        proxy = await start_proxy(upstream.url, limits=ClientLimits(head_timeout_s=0.1))
        assert (await proxy.ask(CLOSING + b"\r\n")).endswith(b"\r\n\r\nok")


async def test_connection_that_is_idle_too_long_is_closed(start_proxy: StartProxy) -> None:
    async with RawUpstream(answering()) as upstream:
        proxy = await start_proxy(upstream.url, limits=ClientLimits(idle_timeout_s=0.2))
        client = await proxy.connect()
        await client.send(GET + b"\r\n")
        assert (await closed(client)).endswith(b"ok")


async def test_large_heads_together_are_bounded_and_given_back(start_proxy: StartProxy) -> None:
    """Heads that never end: past the limit the next is refused, and what it held is there again."""
    async with RawUpstream(answering()) as upstream:
        proxy = await start_proxy(
            upstream.url, limits=ClientLimits(client_memory_bytes=16 * MIB, head_timeout_s=1)
        )
        piece = GET + b"X: " + b"x" * 900_000
        clients = [await proxy.connect() for _ in range(25)]
        for client in clients:
            await client.send(piece)
        answers = [parts_of(await closed(client))[0] for client in clients]
        assert set(answers) == {503, 408}
        assert await bytes_held(proxy) == 0
        assert parts_of(await proxy.ask(CLOSING + b"\r\n"))[0] == 200


async def test_connections_that_wait_for_nothing_make_room_for_others(start_proxy: StartProxy) -> None:
    async with RawUpstream(answering()) as upstream:
        proxy = await start_proxy(upstream.url, limits=ClientLimits(client_memory_bytes=100 * 1024))
        idle = [await proxy.connect() for _ in range(20)]
        assert parts_of(await proxy.ask(CLOSING + b"\r\n"))[0] == 200
        for client in idle:
            client.close()


async def test_connection_without_room_is_told_so(start_proxy: StartProxy) -> None:
    async with RawUpstream(answering()) as upstream:
        proxy = await start_proxy(upstream.url, limits=ClientLimits(client_memory_bytes=100 * 1024))
        under_way = [await proxy.connect() for _ in range(20)]
        for client in under_way:
            await client.send(b"GET /")
        while await bytes_held(proxy, wait=False) < 90 * 1024:
            await asyncio.sleep(0.01)
        status, head, body = parts_of(await closed(await proxy.connect()))
        assert (status, b"\r\nRetry-After: " in head) == (503, True)
        assert error_of(body)["code"] == "TOOMANYREQUESTS"


async def bytes_held(proxy: Running, *, wait: bool = True) -> int:
    """What is held, after what was closed has been given back."""
    async with asyncio.timeout(5):
        while wait and proxy.proxy.budget.taken_bytes:
            await asyncio.sleep(0.01)
    return proxy.proxy.budget.taken_bytes


async def test_a_client_that_speaks_tls_is_answered_at_once(start_proxy: StartProxy) -> None:
    """docker and podman try https first with a registry that may be insecure, and wait for its answer."""
    async with RawUpstream(answering()) as upstream:
        proxy = await start_proxy(upstream.url)
        answer = await proxy.ask(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 200)
    assert answer.startswith(b"HTTP/1.1 400 ")


async def test_connections_are_not_more_than_the_system_allows(start_proxy: StartProxy) -> None:
    async with RawUpstream(answering()) as upstream:
        proxy = await start_proxy(upstream.url)
        server = proxy.runner.server
        assert isinstance(server, Server)
        server.open_connections.most = 10
        idle = [await proxy.connect() for _ in range(30)]
        assert parts_of(await proxy.ask(CLOSING + b"\r\n"))[0] == 200
        assert server.open_connections.number <= 10
        for client in idle:
            client.close()
        begun = [await proxy.connect() for _ in range(10)]
        for client in begun:
            await client.send(b"GET /")
        await asyncio.sleep(0.1)
        assert parts_of(await closed(await proxy.connect()))[0] == 503
        for client in begun:
            client.close()
        await bytes_held(proxy)
        assert server.open_connections.number == 0
