"""Framing: lengths stay, bodies without one become chunks, what has no body gets none."""

import pytest

from tests.support.raw_upstream import RawConnection, RawUpstream, answering
from tests.wire.conftest import StartProxy

BODILESS = [
    ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\nDocker-Content-Digest: sha256:a\r\n\r\n"),
    ("HEAD", b"HTTP/1.1 404 Not Found\r\nContent-Length: 19\r\n\r\n"),
    ("HEAD", b"HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\n"),
    ("GET", b"HTTP/1.1 204 No Content\r\nRange: 0-99\r\nLocation: /v2/x\r\n\r\n"),
    ("GET", b'HTTP/1.1 304 Not Modified\r\nEtag: "x"\r\n\r\n'),
    ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\n"),
    ("PUT", b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"),
]
WITH_BODY = [
    b"HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-4/9\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 307 Temporary Redirect\r\nLocation: https://s3/x?sig=%2F\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\n\x1f\x8bnot",
]


@pytest.mark.parametrize(("method", "answer"), BODILESS)
async def test_answer_without_a_body_is_exact_and_the_connection_stays(
    start_proxy: StartProxy, method: str, answer: bytes
) -> None:
    async with RawUpstream(answering(answer)) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        for _ in range(2):
            await client.send(f"{method} /v2/x HTTP/1.1\r\nHost: h\r\n\r\n".encode())
            assert await client.read_head() == answer
        client.close()


@pytest.mark.parametrize("answer", WITH_BODY)
async def test_answer_with_a_length_is_exact(start_proxy: StartProxy, answer: bytes) -> None:
    async with RawUpstream(answering(answer)) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        await client.send(b"GET /v2/x HTTP/1.1\r\nHost: h\r\nRange: bytes=0-4\r\n\r\n")
        assert await client.read(len(answer)) == answer
        client.close()
        assert b"\r\nRange: bytes=0-4\r\n" in upstream.received


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
UNTIL_CLOSED = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabcde"


def closing(answer: bytes) -> RawUpstream:
    async def script(connection: RawConnection) -> None:
        await connection.read_head()
        await connection.send(answer)

    return RawUpstream(script)


@pytest.mark.parametrize("answer", [CHUNKED, UNTIL_CLOSED])
async def test_answer_without_a_length_is_chunked(start_proxy: StartProxy, answer: bytes) -> None:
    async with closing(answer) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        await client.send(b"GET /v2/x HTTP/1.1\r\nHost: h\r\n\r\n")
        assert await client.read_head() == b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert await client.read_chunked() == b"abcde"
        client.close()


@pytest.mark.parametrize("answer", [CHUNKED, UNTIL_CLOSED])
async def test_http10_client_reads_until_the_connection_ends(start_proxy: StartProxy, answer: bytes) -> None:
    async with closing(answer) as upstream:
        proxy = await start_proxy(upstream.url)
        received = await proxy.ask(b"GET /v2/x HTTP/1.0\r\nHost: h\r\n\r\n")
    assert received == b"HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nabcde"


async def test_http10_client_may_keep_its_connection(start_proxy: StartProxy) -> None:
    async with RawUpstream(answering()) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        for _ in range(2):
            await client.send(b"GET /v2/x HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n")
            expected = b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\n"
            assert await client.read_head() == expected
            await client.read(2)
        client.close()


@pytest.mark.parametrize(
    ("request_head", "sent"),
    [
        (b"PATCH /v2/x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", b"\r\n\r\nhello"),
        (
            b"PATCH /v2/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        ),
        (b"DELETE /v2/x HTTP/1.1\r\nHost: h\r\n\r\n", b"\r\n\r\n"),
        (b"POST /v2/x HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", b"\r\n\r\n"),
    ],
)
async def test_request_body_keeps_its_framing(
    start_proxy: StartProxy, request_head: bytes, sent: bytes
) -> None:
    async def script(connection: RawConnection) -> None:
        await connection.read_head()
        if body := sent.removeprefix(b"\r\n\r\n"):
            await connection.read(len(body))
        await connection.send(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")

    async with RawUpstream(script) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        await client.send(request_head)
        assert (await client.read_head()).startswith(b"HTTP/1.1 202")
        client.close()
        assert upstream.received.endswith(sent)
        framing = [b"content-length", b"transfer-encoding", b"content-type"]
        for name in framing:
            assert upstream.received.lower().count(name) == request_head.lower().count(name)


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5",
        b"Content-Length: 5\r\nContent-Length: 6",
        b"Content-Length: +5",
    ],
)
async def test_ambiguous_framing_is_refused(start_proxy: StartProxy, framing: bytes) -> None:
    async with RawUpstream(answering()) as upstream:
        proxy = await start_proxy(upstream.url)
        answer = await proxy.ask(
            b"POST /v2/x HTTP/1.1\r\nHost: h\r\n" + framing + b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        )
        assert upstream.received == b""
    assert answer[8:].startswith(b" 400 ")
