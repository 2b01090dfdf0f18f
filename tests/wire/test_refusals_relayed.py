"""A refusal of a write reaches the client as it comes, and is recorded before the client has seen its end."""

import asyncio
import gzip
import zlib

import pytest

from sidecar.model.exchange import Exchange, Outcome
from sidecar.model.names import repository_of
from sidecar.model.operation import HeadManifest, UploadProvenance, UploadStep, WriteBlob
from sidecar.proxy import writes
from tests.support.raw_upstream import RawConnection, RawUpstream, Script
from tests.wire.conftest import Noted, StartProxy

APP = repository_of("prj/app", default_project="library")
BODY = b'{"errors":[{"code":"DENIED","message":"quota"}]}'
POST = b"POST /v2/prj/app/blobs/uploads/ HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"


def answering(*pieces: bytes, between: asyncio.Event | None = None) -> Script:
    """Sends the first piece, and the others when it may."""

    async def script(connection: RawConnection) -> None:
        await connection.read_head()
        await connection.send(pieces[0])
        for piece in pieces[1:]:
            if between:
                await between.wait()
            await connection.send(piece)

    return script


def answer(body: bytes, *headers: bytes, status: bytes = b"403 Forbidden") -> bytes:
    lines = [b"HTTP/1.1 " + status, *headers, b"Content-Length: %d" % len(body)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


async def test_head_and_beginning_reach_the_client_while_the_rest_is_awaited(
    start_proxy: StartProxy, noted: Noted
) -> None:
    may_end = asyncio.Event()
    whole = answer(BODY)
    async with RawUpstream(answering(whole[:-10], whole[-10:], between=may_end)) as upstream:
        client = await (await start_proxy(upstream.url)).connect()
        await client.send(POST)
        async with asyncio.timeout(5):
            assert await client.read_head() + await client.read(len(BODY) - 10) == whole[:-10]
        assert noted.exchanges == []
        may_end.set()
        assert await client.read(10) == whole[-10:]
    (exchange,) = noted.exchanges
    assert exchange.operation == WriteBlob(APP, UploadStep.START, body_bytes=0)
    assert exchange.refusal is not None
    assert exchange.refusal.content == BODY
    assert exchange.began_at < exchange.answered_at


@pytest.mark.parametrize("chunked", [False, True])
async def test_end_waits_until_the_refusal_is_recorded(
    start_proxy: StartProxy, noted: Noted, *, chunked: bool
) -> None:
    may_record, is_recording = asyncio.Event(), asyncio.Event()

    async def on_record(_: Exchange) -> None:
        is_recording.set()
        await may_record.wait()

    noted.on_record = on_record
    whole = answer(BODY)
    if chunked:
        head = b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n"
        whole = head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
    async with RawUpstream(answering(whole)) as upstream:
        client = await (await start_proxy(upstream.url)).connect()
        await client.send(POST)
        async with asyncio.timeout(5):
            await client.read_head()
            await is_recording.wait()
        rest = asyncio.ensure_future(client.read_chunked() if chunked else client.read(len(BODY)))
        await asyncio.sleep(0.1)
        assert not rest.done()
        may_record.set()
        assert await rest == BODY


async def test_refusal_that_does_not_end_is_recorded_all_the_same(
    start_proxy: StartProxy, noted: Noted
) -> None:
    never = asyncio.Event()
    async with RawUpstream(answering(answer(BODY)[:-1], b"}", between=never)) as upstream:
        client = await (await start_proxy(upstream.url)).connect()
        await client.send(POST)
        await client.read_head()
        (exchange,) = await noted.recorded()
        assert exchange.refusal is not None
        assert exchange.refusal.content == BODY[:-1]
        never.set()
        await client.read(len(BODY))
    assert len(noted.exchanges) == 1


async def test_refusal_that_comes_slowly_is_recorded_whole(
    start_proxy: StartProxy, noted: Noted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writes, "_REFUSAL_PAUSES_S", 1.0)

    async def slowly(connection: RawConnection) -> None:
        await connection.read_head()
        whole = answer(BODY)
        await connection.send(whole[: -len(BODY)])
        for at in range(len(BODY)):
            await connection.send(BODY[at : at + 1])
            await asyncio.sleep(0.05)

    async with RawUpstream(slowly) as upstream:
        client = await (await start_proxy(upstream.url)).connect()
        await client.send(POST)
        await client.read_head()
        await client.read(len(BODY))
    (exchange,) = noted.exchanges
    assert exchange.refusal is not None
    assert exchange.refusal.content == BODY


async def test_refusal_that_breaks_off_is_recorded_with_what_came(
    start_proxy: StartProxy, noted: Noted
) -> None:
    async with RawUpstream(answering(answer(BODY)[:-5])) as upstream:
        client = await (await start_proxy(upstream.url)).connect()
        await client.send(POST)
        assert (await client.read_until_closed()).endswith(BODY[:-5])
    (exchange,) = noted.exchanges
    assert (exchange.status, exchange.outcome) == (403, Outcome.UPSTREAM_FAILED)
    assert exchange.refusal is not None
    assert exchange.refusal.content == BODY[:-5]


async def test_client_that_leaves_at_the_head_changes_nothing(start_proxy: StartProxy, noted: Noted) -> None:
    may_end = asyncio.Event()
    whole = answer(BODY)
    async with RawUpstream(answering(whole[:-10], whole[-10:], between=may_end)) as upstream:
        client = await (await start_proxy(upstream.url)).connect()
        await client.send(POST)
        await client.read_head()
        client.reset()
        may_end.set()
        (exchange,) = await noted.recorded()
    assert exchange.status == 403


@pytest.mark.parametrize("pieces", [1, 2])
async def test_refusal_is_read_whole_when_the_client_has_left_before_its_head(
    start_proxy: StartProxy, noted: Noted, pieces: int
) -> None:
    """containerd leaves its other requests when the first blob is refused."""
    client_left, may_end, whole = asyncio.Event(), asyncio.Event(), answer(BODY)

    async def script(connection: RawConnection) -> None:
        await connection.read_head()
        await client_left.wait()
        if pieces == 2:
            await connection.send(whole[:-20])
            await may_end.wait()
        await connection.send(whole[-20:] if pieces == 2 else whole)

    async with RawUpstream(script) as upstream:
        client = await (await start_proxy(upstream.url)).connect()
        await client.send(POST)
        await asyncio.sleep(0.1)
        client.reset()
        await asyncio.sleep(0.1)
        client_left.set()
        await asyncio.sleep(0.1)
        may_end.set()
        (exchange,) = await noted.recorded()
    assert exchange.outcome is Outcome.CLIENT_GONE
    assert exchange.refusal is not None
    assert exchange.refusal.content == BODY


def _raw_deflate(content: bytes) -> bytes:
    squeezer = zlib.compressobj(wbits=-15)
    return squeezer.compress(content) + squeezer.flush()


@pytest.mark.parametrize(
    ("encoding", "encoded", "read"),
    [
        (b"gzip", gzip.compress(BODY), BODY),
        (b"GZIP", gzip.compress(BODY)[:-8], BODY),  # cut off
        (b"deflate", zlib.compress(BODY), BODY),
        (b"deflate", _raw_deflate(BODY), BODY),
        (b"gzip", b"no gzip at all", b""),
        (b"br", b"\x0b\x02\x80abc\x03", b""),
        (b"gzip", gzip.compress(b"a" * 10_000_000), b"a" * 16 * 1024),
    ],
)
async def test_encoded_refusal_passes_untouched_and_is_read(
    start_proxy: StartProxy, noted: Noted, encoding: bytes, encoded: bytes, read: bytes
) -> None:
    whole = answer(encoded, b"Content-Encoding: " + encoding)
    async with RawUpstream(answering(whole)) as upstream:
        client = await (await start_proxy(upstream.url)).connect()
        await client.send(POST)
        await client.read_head()
        await client.read(len(encoded))
        assert client.received == whole
    (exchange,) = noted.exchanges
    assert exchange.refusal is not None
    assert exchange.refusal.content == read


async def test_retry_after_is_noted(start_proxy: StartProxy, noted: Noted) -> None:
    whole = answer(BODY, b"retry-after: 5", status=b"429 Too Many Requests")
    async with RawUpstream(answering(whole)) as upstream:
        client = await (await start_proxy(upstream.url)).connect()
        await client.send(POST)
        await client.read_head()
        await client.read(len(BODY))
    (exchange,) = noted.exchanges
    assert exchange.refusal is not None
    assert exchange.refusal.names_retry


async def test_provenance_file_is_a_write_too(start_proxy: StartProxy, noted: Noted) -> None:
    async with RawUpstream(answering(answer(b"", status=b"507 Insufficient Storage"))) as upstream:
        client = await (await start_proxy("http://127.0.0.1:9", chart_repository_url=upstream.url)).connect()
        await client.send(b"POST /api/prov HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")
        await client.read_head()
        (exchange,) = await noted.recorded()
    assert (exchange.operation, exchange.status) == (UploadProvenance(""), 507)


async def test_question_for_a_manifest_that_is_not_there_is_recorded(
    start_proxy: StartProxy, noted: Noted
) -> None:
    async with RawUpstream(answering(b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\n")) as upstream:
        client = await (await start_proxy(upstream.url)).connect()
        await client.send(b"HEAD /v2/prj/app/manifests/v1 HTTP/1.1\r\nHost: h\r\n\r\n")
        await client.read_head()
        (exchange,) = await noted.recorded()
    assert isinstance(exchange.operation, HeadManifest)


async def test_ping_and_question_for_a_blob_are_noted_with_their_client(
    start_proxy: StartProxy, noted: Noted
) -> None:
    digest = "sha256:" + "d" * 64
    for request in ("GET /v2/", f"HEAD /v2/prj/app/blobs/{digest}"):
        async with RawUpstream(answering(b"HTTP/1.1 401 U\r\nContent-Length: 0\r\n\r\n")) as upstream:
            client = await (await start_proxy(upstream.url)).connect()
            await client.send(f"{request} HTTP/1.1\r\nHost: h\r\nUser-Agent: docker/1\r\n\r\n".encode())
            await client.read_head()
    assert [client.user_agent for client in noted.pings] == ["docker/1"]
    assert [(client.user_agent, asked) for client, asked in noted.questions] == [("docker/1", digest)]
