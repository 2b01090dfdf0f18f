"""A write is noted before the upstream sees it, and recorded before the client sees its end."""

import asyncio
import hashlib
import json
from uuid import UUID

import pytest

from sidecar.model.admission import AdmissionRequest
from sidecar.model.exchange import Client, Exchange, Outcome
from sidecar.model.manifest import parse_manifest
from sidecar.model.names import parse_reference, repository_of
from sidecar.model.operation import DeleteManifest, GetManifest, HeadManifest, PutManifest
from tests.support.raw_upstream import RawConnection, RawUpstream, Script
from tests.wire.conftest import Noted, StartProxy

MANIFEST = json.dumps({"schemaVersion": 2, "config": {"digest": "sha256:" + "a" * 64, "size": 2}}).encode()
DIGEST = "sha256:" + "d" * 64
TYPE = "application/vnd.oci.image.manifest.v1+json"
CREATED = (
    b"HTTP/1.1 201 Created\r\nDocker-Content-Digest: " + DIGEST.encode() + b"\r\nContent-Length: 0\r\n\r\n"
)
PUT = (
    f"PUT /v2/prj/app/manifests/v1 HTTP/1.1\r\nHost: h\r\nContent-Type: {TYPE}\r\nUser-Agent: crane/1\r\n"
    f"Authorization: Basic YWxpY2U6cGFzcw==\r\nX-Request-Id: r1\r\nContent-Length: {len(MANIFEST)}\r\n\r\n"
).encode() + MANIFEST
APP = repository_of("prj/app", default_project="library")


def taking_manifests(answer: bytes = CREATED) -> Script:
    async def script(connection: RawConnection) -> None:
        await connection.read_head()
        await connection.read(len(MANIFEST))
        await connection.send(answer)
        await connection.read_until_closed()

    return script


async def test_put_is_noted_then_forwarded_then_recorded_then_answered(
    start_proxy: StartProxy, noted: Noted
) -> None:
    steps: list[str] = []

    async def script(connection: RawConnection) -> None:
        await connection.read_head()
        steps.append("forwarded")
        await connection.read(len(MANIFEST))
        await connection.send(CREATED)

    async def on_admit(_: AdmissionRequest) -> None:
        await asyncio.sleep(0.05)
        steps.append("noted")

    async def on_record(exchange: Exchange) -> None:
        await asyncio.sleep(0.05)
        steps.append("recorded")

    noted.on_admit, noted.on_record = on_admit, on_record
    async with RawUpstream(script) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        await client.send(PUT)
        assert await client.read_head() == CREATED
        steps.append("answered")
    assert steps == ["noted", "forwarded", "recorded", "answered"]


async def test_what_a_put_is_recorded_with(start_proxy: StartProxy, noted: Noted) -> None:
    async with RawUpstream(taking_manifests()) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        await client.send(PUT)
        await client.read_head()
        assert upstream.received.endswith(b"\r\n\r\n" + MANIFEST)
    (intent,), (exchange,) = noted.intents, noted.exchanges
    operation = PutManifest(APP, parse_reference("v1"))
    who = Client(address="127.0.0.1", operator="alice", user_agent="crane/1")
    assert (intent.operation, intent.client, intent.request_id) == (operation, who, "r1")
    assert intent.request_body is not None
    assert (intent.request_body.content, intent.request_body.content_type) == (MANIFEST, TYPE)
    assert (exchange.operation, exchange.client, exchange.status) == (operation, who, 201)
    assert exchange.id == intent.id
    assert exchange.id.version == 4
    assert exchange.content_digest == DIGEST
    assert intent.content_digest == f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"
    assert exchange.outcome is Outcome.COMPLETED
    assert exchange.answered_at >= intent.came_at


async def test_tags_that_the_registry_says_it_made_are_recorded(
    start_proxy: StartProxy, noted: Noted
) -> None:
    answer = b"HTTP/1.1 201 Created\r\nOCI-Tag: a, b\r\nOCI-Tag: c\r\nContent-Length: 0\r\n\r\n"
    async with RawUpstream(taking_manifests(answer)) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        await client.send(PUT.replace(b"/v1 ", f"/{DIGEST}?tag=a&tag=b&tag=x ".encode()))
        await client.read_head()
    assert noted.exchanges[0].oci_tags == ("a", "b", "c")
    assert noted.exchanges[0].content_digest == DIGEST


async def test_digest_is_computed_when_the_registry_names_none(start_proxy: StartProxy, noted: Noted) -> None:
    answer = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
    async with RawUpstream(taking_manifests(answer)) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        await client.send(PUT)
        await client.read_head()
    assert noted.exchanges[0].content_digest == "sha256:" + hashlib.sha256(MANIFEST).hexdigest()


async def test_refusal_is_recorded_with_its_words_before_the_client_has_it(
    start_proxy: StartProxy, noted: Noted
) -> None:
    body = b'{"errors":[{"code":"DENIED","message":"quota"}]}'
    answer = b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: 48\r\n\r\n" + body
    may_record = asyncio.Event()

    async def on_record(exchange: Exchange) -> None:
        await may_record.wait()

    noted.on_record = on_record
    async with RawUpstream(taking_manifests(answer)) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        await client.send(PUT)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await client.read(len(answer))
        may_record.set()
        await client.read(len(answer) - len(client.received))
        assert client.received == answer
    (exchange,) = noted.exchanges
    assert (exchange.status, exchange.succeeded) == (403, False)
    assert exchange.refusal is not None
    assert (exchange.refusal.content, exchange.refusal.content_type) == (body, "application/json")


async def test_long_refusal_passes_whole_and_is_kept_in_part(start_proxy: StartProxy, noted: Noted) -> None:
    body = b"x" * 1_000_000
    async with RawUpstream(
        taking_manifests(b"HTTP/1.1 500 Oh\r\nContent-Length: 1000000\r\n\r\n" + body)
    ) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        await client.send(PUT)
        await client.read_head()
        assert await client.read(len(body)) == body
    assert noted.exchanges[0].refusal is not None
    assert len(noted.exchanges[0].refusal.content) == 16 * 1024


@pytest.mark.parametrize("hook", ["on_admit", "on_record"])
async def test_fault_of_the_pipeline_does_not_harm_a_push(
    start_proxy: StartProxy, noted: Noted, hook: str
) -> None:
    async def fail(_: object) -> None:
        raise ValueError("a bug")

    setattr(noted, hook, fail)
    async with RawUpstream(taking_manifests()) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        await client.send(PUT)
        assert await client.read_head() == CREATED


async def test_manifest_that_is_too_large_to_keep_is_relayed_all_the_same(
    start_proxy: StartProxy, noted: Noted
) -> None:
    size = 5 * 1024 * 1024

    async def script(connection: RawConnection) -> None:
        head = await connection.read_head()
        if b"chunked" in head:
            assert len(await connection.read_chunked()) == size
        else:
            await connection.read(size)
        await connection.send(CREATED)

    async with RawUpstream(script) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        head = b"PUT /v2/prj/app/manifests/v1 HTTP/1.1\r\nHost: h\r\n"
        await client.send(head + b"Content-Length: %d\r\n\r\n" % size + b"x" * size)
        assert await client.read_head() == CREATED
        await client.send(head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % size + b"x" * size)
        await client.send(b"\r\n0\r\n\r\n")
        assert await client.read_head() == CREATED
    assert {intent.request_body for intent in noted.intents} == {None}
    whole = f"sha256:{hashlib.sha256(b'x' * size).hexdigest()}"
    # Before its last bytes are let through, and not before they have come.
    assert [intent.content_digest for intent in noted.intents] == [None, whole, None, whole]
    assert [exchange.manifest for exchange in noted.exchanges] == [None, None]


async def test_unobserved_write_is_only_relayed(start_proxy: StartProxy, noted: Noted) -> None:
    noted.observes = lambda _: False
    async with RawUpstream(taking_manifests()) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        await client.send(PUT)
        assert await client.read_head() == CREATED
    assert (noted.intents, noted.exchanges) == ([], [])


def serving(answer: bytes) -> Script:
    async def script(connection: RawConnection) -> None:
        while True:
            await connection.read_head()
            await connection.send(answer)

    return script


async def test_pull_is_recorded_after_its_body_and_does_not_wait_for_it(
    start_proxy: StartProxy, noted: Noted
) -> None:
    may_record = asyncio.Event()

    async def on_record(exchange: Exchange) -> None:
        await may_record.wait()

    noted.on_record = on_record
    answer = f"HTTP/1.1 200 OK\r\nContent-Type: {TYPE}\r\nContent-Length: {len(MANIFEST)}\r\n\r\n".encode()
    async with RawUpstream(serving(answer + MANIFEST)) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        await client.send(b"GET /v2/prj/app/manifests/v1 HTTP/1.1\r\nHost: h\r\n\r\n")
        assert await client.read(len(answer + MANIFEST)) == answer + MANIFEST
        assert noted.exchanges == []
        may_record.set()
        (exchange,) = await noted.recorded()
    assert exchange.operation == GetManifest(APP, parse_reference("v1"))
    assert exchange.manifest == parse_manifest(MANIFEST, TYPE)
    assert exchange.content_digest == f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"
    assert isinstance(exchange.id, UUID)


@pytest.mark.parametrize(
    ("method", "status"),
    [
        *((b"GET", status) for status in (b"304 Not Modified", b"404 Not Found", b"401 Unauthorized")),
        *((b"HEAD", status) for status in (b"304 Not Modified", b"401 Unauthorized")),
    ],
)
async def test_read_that_finds_nothing_is_not_recorded(
    start_proxy: StartProxy, noted: Noted, status: bytes, method: bytes
) -> None:
    async with RawUpstream(serving(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        await client.send(method + b" /v2/prj/app/manifests/v1 HTTP/1.1\r\nHost: h\r\n\r\n")
        await client.read_head()
        await proxy.proxy.close(1)
    assert noted.exchanges == []


async def test_head_of_a_manifest_is_recorded_with_its_digest(start_proxy: StartProxy, noted: Noted) -> None:
    answer = f"HTTP/1.1 200 OK\r\nDocker-Content-Digest: {DIGEST}\r\nContent-Length: 99\r\n\r\n".encode()
    async with RawUpstream(serving(answer)) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        await client.send(b"HEAD /v2/app/manifests/v1 HTTP/1.1\r\nHost: h\r\n\r\n")
        assert await client.read_head() == answer
        (exchange,) = await noted.recorded()
    repository = repository_of("app", default_project="library")
    assert exchange.operation == HeadManifest(repository, parse_reference("v1"))
    assert exchange.content_digest == DIGEST


async def test_blobs_and_uploads_are_told_of(start_proxy: StartProxy, noted: Noted) -> None:
    async with RawUpstream(serving(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        await client.send(f"GET /v2/prj/app/blobs/{DIGEST} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        await client.read_head()
        await client.send(b"POST /v2/prj/app/blobs/uploads/ HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")
        await client.read_head()
        await proxy.proxy.close(1)
    assert [repository for _, repository in noted.blobs] == [APP]
    assert [repository for _, repository in noted.uploads] == [APP, APP]
    assert noted.exchanges == []


@pytest.mark.parametrize(
    ("status", "recorded"), [(401, 1), (404, 1), (416, 1), (403, 1), (413, 1), (500, 1), (507, 1), (202, 0)]
)
async def test_refused_upload_is_recorded_whatever_the_status(
    start_proxy: StartProxy, noted: Noted, status: int, recorded: int
) -> None:
    async with RawUpstream(serving(b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\nno" % status)) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        await client.send(b"POST /v2/prj/app/blobs/uploads/ HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")
        await client.read_head()
        assert await client.read(2) == b"no"
    assert [exchange.status for exchange in noted.exchanges] == [status] * recorded


async def test_delete_is_noted_with_what_goes(start_proxy: StartProxy, noted: Noted) -> None:
    async def script(connection: RawConnection) -> None:
        while True:
            head = await connection.read_head()
            if head.startswith(b"DELETE"):
                assert noted.intents
                await connection.send(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
            else:
                await connection.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    async with RawUpstream(script) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        await client.send(f"DELETE /v2/prj/app/manifests/{DIGEST} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        assert (await client.read_head()).startswith(b"HTTP/1.1 202 Accepted\r\n")
    (exchange,) = noted.exchanges
    assert exchange.operation == DeleteManifest(APP, parse_reference(DIGEST))
    assert (exchange.facts.existed, exchange.facts.digest) == (False, DIGEST)
    assert exchange.facts == noted.intents[0].facts
