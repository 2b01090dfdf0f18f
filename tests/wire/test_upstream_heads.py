"""Heads of upstreams that curl and Go take: the client gets them, and those without end are ended."""

import asyncio

import pytest

from tests.support.raw_upstream import RawConnection, RawUpstream, answering
from tests.wire.conftest import StartProxy

ASK = b"GET /v2/ HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n"


async def relayed(start_proxy: StartProxy, answer: bytes) -> bytes:
    async def script(connection: RawConnection) -> None:
        await connection.read_head()
        await connection.send(answer)

    async with RawUpstream(script) as upstream:
        return await (await start_proxy(upstream.url)).ask(ASK)


@pytest.mark.parametrize("size", [40_000, 1_000_000])
async def test_a_long_header_passes(start_proxy: StartProxy, size: int) -> None:
    header = b"X-Long: " + b"x" * size + b"\r\n"
    answer = await relayed(start_proxy, OK + header + b"Content-Length: 2\r\n\r\nok")
    assert answer == OK + header + b"Content-Length: 2\r\nConnection: close\r\n\r\nok"


async def test_many_headers_pass(start_proxy: StartProxy) -> None:
    headers = b"".join(b"X-%d: %s\r\n" % (at, b"y" * 40) for at in range(5000))
    answer = await relayed(start_proxy, OK + headers + b"Content-Length: 2\r\n\r\nok")
    assert answer == OK + headers + b"Content-Length: 2\r\nConnection: close\r\n\r\nok"


async def test_a_head_without_end_is_a_bad_gateway(start_proxy: StartProxy) -> None:
    sent = 0

    async def script(connection: RawConnection) -> None:
        nonlocal sent
        await connection.read_head()
        await connection.send(OK)
        while sent < 64 * 1024 * 1024:
            await connection.send(b"X-A: " + b"x" * 65_536 + b"\r\n")
            sent += 65_536

    async with RawUpstream(script) as upstream:
        answer = await (await start_proxy(upstream.url)).ask(ASK)
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert sent < 16 * 1024 * 1024


@pytest.mark.parametrize("beside", [b"", b"X-A: " + b"x" * 100_000 + b"\r\n"], ids=["short", "long"])
async def test_informational_answers_without_end_are_a_bad_gateway(
    start_proxy: StartProxy, beside: bytes
) -> None:
    sent = 0

    async def script(connection: RawConnection) -> None:
        nonlocal sent
        await connection.read_head()
        while sent < 10_000:
            await connection.send(b"HTTP/1.1 102 Processing\r\n" + beside + b"\r\n")
            await asyncio.sleep(0)
            sent += 1

    async with RawUpstream(script) as upstream:
        proxy = await start_proxy(upstream.url)
        for method in (b"GET", b"PUT"):
            sent = 0
            answer = await proxy.ask(ASK.replace(b"GET", method))
            assert answer.replace(b"HTTP/1.1 102 Processing\r\n" + beside + b"\r\n", b"").startswith(
                b"HTTP/1.1 502 "
            )
            assert sent < 10_000


async def test_some_informational_answers_are_no_fault(start_proxy: StartProxy) -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    answer = await relayed(start_proxy, early * 20 + OK + b"Content-Length: 2\r\n\r\nok")
    assert answer == early * 20 + OK + b"Content-Length: 2\r\nConnection: close\r\n\r\nok"


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\nX-A: b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\ncontent-length:2 \r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 2\nX-A: b\n\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A:\r\n  b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A : b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A:b\r\n\r\n",
    ],
    ids=["twice", "twice, apart", "LF", "folded", "blank before the colon", "no blank"],
)
async def test_what_curl_and_go_take_is_taken(start_proxy: StartProxy, head: bytes) -> None:
    answer = await relayed(start_proxy, head + b"ok")
    assert answer == OK + b"Content-Length: 2\r\nX-A: b\r\nConnection: close\r\n\r\nok"


async def test_a_chunked_answer_has_no_other_length(start_proxy: StartProxy) -> None:
    head = OK + b"Content-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = await relayed(start_proxy, head + b"2\r\nok\r\n0\r\n\r\n")
    assert answer == OK + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nok\r\n0\r\n\r\n"


@pytest.mark.parametrize("second", [b"3", b"2, 2", b"+2", b""])
async def test_lengths_that_differ_are_a_bad_gateway(start_proxy: StartProxy, second: bytes) -> None:
    head = OK + b"Content-Length: 2\r\nContent-Length: " + second + b"\r\n\r\n"
    assert (await relayed(start_proxy, head + b"ok")).startswith(b"HTTP/1.1 502 ")


@pytest.mark.parametrize("size", [1, 2, 3, 7])
async def test_a_head_may_come_in_small_pieces(start_proxy: StartProxy, size: int) -> None:
    whole = b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK + b"Content-Length: 2\r\nX-A: b\r\n\r\nok"

    async def script(connection: RawConnection) -> None:
        await connection.read_head()
        for at in range(0, len(whole), size):
            await connection.send(whole[at : at + size])
            await asyncio.sleep(0)

    async with RawUpstream(script) as upstream:
        answer = await (await start_proxy(upstream.url)).ask(ASK)
    assert answer == whole.replace(b"\r\nX-A: b\r\n", b"\r\nX-A: b\r\nConnection: close\r\n")


async def test_a_body_that_looks_like_a_head_stays_a_body(start_proxy: StartProxy) -> None:
    body = b"\r\n\r\nHTTP/1.1 100 Continue\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n"
    head = OK + b"Content-Length: %d\r\n" % len(body)
    async with RawUpstream(answering(head + b"\r\n" + body)) as upstream:
        proxy = await start_proxy(upstream.url)
        for _ in range(3):
            assert await proxy.ask(ASK) == head + b"Connection: close\r\n\r\n" + body
        assert len(upstream.connections) == 1


async def test_an_answer_to_head_with_a_body_is_an_answer(start_proxy: StartProxy) -> None:
    async def script(connection: RawConnection) -> None:
        await connection.read_head()
        await connection.send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n400 Bad")
        await connection.send(b" Request")

    async with RawUpstream(script) as upstream:
        proxy = await start_proxy(upstream.url)
        for _ in range(5):
            answer = await proxy.ask(ASK.replace(b"GET", b"HEAD"))
            assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
            assert answer.endswith(b"\r\n\r\n")
