"""A write that is denied never reaches the upstream, and the client is told in the words of its protocol."""

import asyncio
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import httpx
import pytest
from structlog.testing import capture_logs

from sidecar.model.admission import AdmissionRequest, Denied
from sidecar.model.exchange import Outcome
from sidecar.model.names import repository_of
from sidecar.model.operation import (
    DeleteChart,
    DeleteManifest,
    Operation,
    PutManifest,
    UploadChart,
    UploadProvenance,
    WriteBlob,
)
from sidecar.proxy import admission
from tests.support import images
from tests.support.process import NotInstalledError
from tests.support.raw_upstream import RawConnection, RawUpstream
from tests.support.servers import Registry, Version
from tests.wire.conftest import Noted, Running, StartProxy

DIGEST: Final = "sha256:" + "d" * 64
UPLOAD: Final = "/v2/prj/app/blobs/uploads/"
SESSION: Final = f"{UPLOAD}6b1f?_state=abc"
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
FULL: Final = Denied(status=403, code="DENIED", message="project prj is full: 10 of 10 GiB")
PING: Final = b"GET /v2/_catalog HTTP/1.1\r\nHost: h\r\n\r\n"
PONG: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"


@dataclass(frozen=True)
class Write:
    method: str
    target: str
    body: bytes
    operation: type[Operation]
    is_kept: bool = False  #: its body is read before it is asked whether it is admitted

    @property
    def is_chart(self) -> bool:
        return self.target.startswith("/api/")

    def head(self, *more: str, length: int | None = None) -> bytes:
        length = len(self.body) if length is None else length
        lines = [f"{self.method} {self.target} HTTP/1.1", "Host: h", f"Content-Length: {length}", *more]
        return "\r\n".join([*lines, "", ""]).encode()


WITH_BODY: Final = (
    Write("PUT", "/v2/prj/app/manifests/v1", b"{}", PutManifest, is_kept=True),
    Write("POST", f"{UPLOAD}?digest={DIGEST}", b"layer", WriteBlob),
    Write("PATCH", SESSION, b"layer", WriteBlob),
    Write("PUT", f"{SESSION}&digest={DIGEST}", b"layer", WriteBlob),
    Write("POST", "/api/charts", b"chart", UploadChart),
    Write("POST", "/api/prov", b"-----BEGIN PGP SIGNED MESSAGE-----", UploadProvenance),
)
WITHOUT_BODY: Final = (
    Write("DELETE", f"/v2/prj/app/manifests/{DIGEST}", b"", DeleteManifest),
    Write("DELETE", "/api/charts/app/1.2.3", b"", DeleteChart),
    Write("POST", UPLOAD, b"", WriteBlob),
    Write("POST", f"{UPLOAD}?mount={DIGEST}&from=prj/base", b"", WriteBlob),
    Write("PUT", f"{SESSION}&digest={DIGEST}", b"", WriteBlob),
)


async def serving(connection: RawConnection) -> None:
    while True:
        head = await connection.read_head()
        assert head.split(b" ")[0] in {b"GET", b"HEAD"}, f"not a read: {head!r}"
        if b"/v2/_catalog " in head:
            await connection.send(PONG + b"ok")
        else:  # asked before a delete
            await connection.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")


def denying(noted: Noted, denied: Denied = FULL) -> list[AdmissionRequest]:
    requests: list[AdmissionRequest] = []

    async def on_admit(request: AdmissionRequest) -> Denied:
        requests.append(request)
        return denied

    noted.on_admit = on_admit
    return requests


async def read_denial(client: RawConnection) -> tuple[bytes, object]:
    async with asyncio.timeout(5):
        head = await client.read_head()
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return head, json.loads(await client.read(length))


def words_of(denied: Denied, write: Write) -> object:
    if write.is_chart:
        return {"error": denied.message}
    return {"errors": [{"code": denied.code, "message": denied.message, "detail": None}]}


async def is_served(client: RawConnection) -> bool:
    await client.send(PING)
    async with asyncio.timeout(5):
        return await client.read_head() + await client.read(2) == PONG + b"ok"


async def charts_and_images(start_proxy: StartProxy, upstream: RawUpstream) -> Running:
    return await start_proxy(upstream.url, chart_repository_url=upstream.url)


@pytest.mark.parametrize(
    "write", WITH_BODY + WITHOUT_BODY, ids=lambda write: f"{write.method} {write.target}"
)
async def test_denied_write_is_answered_and_the_connection_goes_on(
    start_proxy: StartProxy, noted: Noted, write: Write
) -> None:
    requests = denying(noted)
    async with RawUpstream(serving) as upstream:
        client = await (await charts_and_images(start_proxy, upstream)).connect()
        for _ in range(2):
            await client.send(write.head() + write.body)
            head, words = await read_denial(client)
            assert head.startswith(b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json")
            assert b"Connection:" not in head
            assert words == words_of(FULL, write)
        assert await is_served(client)
    assert [type(request.operation) for request in requests] == [write.operation] * 2
    assert len({request.id for request in requests}) == 2
    assert (noted.exchanges, noted.uploads) == ([], [])


@pytest.mark.parametrize(
    ("status", "phrase"),
    [
        (400, "Bad Request"),
        (403, "Forbidden"),
        (429, "Too Many Requests"),
        (503, "Service Unavailable"),
        (507, "Insufficient Storage"),
        (460, ""),
        (599, ""),
    ],
)
@pytest.mark.parametrize("write", [WITH_BODY[0], WITH_BODY[4]], ids=["image", "chart"])
async def test_a_denial_has_the_status_and_the_words_that_it_was_given(
    start_proxy: StartProxy, noted: Noted, write: Write, status: int, phrase: str
) -> None:
    denied = Denied(status=status, code="ANY_CODE", message='voll: "Größe"\r\nX: y')
    denying(noted, denied)
    async with RawUpstream(serving) as upstream:
        client = await (await charts_and_images(start_proxy, upstream)).connect()
        await client.send(write.head() + write.body)
        head, words = await read_denial(client)
        assert head.startswith(f"HTTP/1.1 {status} {phrase}\r\n".encode())
        assert b"\r\nX: y" not in head
        assert words == words_of(denied, write)
        assert await is_served(client)


@pytest.mark.parametrize("write", WITH_BODY, ids=lambda write: f"{write.method} {write.target}")
async def test_client_that_waits_to_send_is_told_instead(
    start_proxy: StartProxy, noted: Noted, write: Write
) -> None:
    denying(noted)
    async with RawUpstream(serving) as upstream:
        proxy = await charts_and_images(start_proxy, upstream)
        client = await proxy.connect()
        await client.send(write.head("Expect: 100-continue"))
        if write.is_kept:
            assert await client.read_head() == CONTINUE
            await client.send(write.body)
        head, words = await read_denial(client)
        assert words == words_of(FULL, write)
        if write.is_kept:
            assert await is_served(client)
        else:  # whether its body comes now is not known: what is sent next may be either
            assert b"\r\nConnection: close\r\n" in head
            assert await is_served(await proxy.connect())


@pytest.mark.parametrize("write", WITH_BODY[1:], ids=lambda write: f"{write.method} {write.target}")
async def test_client_that_goes_on_sending_has_its_answer(
    start_proxy: StartProxy, noted: Noted, write: Write
) -> None:
    denying(noted)
    size = 8 * 1024 * 1024
    async with RawUpstream(serving) as upstream:
        proxy = await charts_and_images(start_proxy, upstream)
        client = await proxy.connect()
        await client.send(write.head(length=size) + bytes(size // 4))
        head, words = await read_denial(client)
        assert b"\r\nConnection: close\r\n" in head
        assert words == words_of(FULL, write)
        await client.send(bytes(size - size // 4))  # is read: no reset takes the answer away
        async with asyncio.timeout(5):
            assert await client.read_until_closed() == b""
        assert await is_served(await proxy.connect())


@pytest.mark.parametrize("how", ["with a length", "chunked"])
@pytest.mark.parametrize("write", WITH_BODY[1:], ids=lambda write: f"{write.method} {write.target}")
async def test_small_body_comes_before_the_answer_and_the_connection_goes_on(
    start_proxy: StartProxy, noted: Noted, write: Write, how: str
) -> None:
    requests = denying(noted)
    size = 200_000
    head, rest = write.head(length=size), bytes(size - 1000)
    if how == "chunked":
        head = head.replace(b"Content-Length: %d" % size, b"Transfer-Encoding: chunked") + b"%x\r\n" % size
        rest += b"\r\n0\r\n\r\n"
    async with RawUpstream(serving) as upstream:
        client = await (await charts_and_images(start_proxy, upstream)).connect()
        await client.send(head + bytes(1000))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await client.read(1)
        assert requests, "it was decided before the rest came"
        await client.send(rest)
        answer, words = await read_denial(client)
        assert b"Connection:" not in answer
        assert words == words_of(FULL, write)
        assert await is_served(client)


@pytest.mark.parametrize("chunked", [False, True])
async def test_client_that_sends_no_more_is_told_all_the_same(
    start_proxy: StartProxy, noted: Noted, monkeypatch: pytest.MonkeyPatch, *, chunked: bool
) -> None:
    monkeypatch.setattr(admission, "_REST_PATIENCE_S", 0.05)
    denying(noted)
    write = WITH_BODY[2]
    head = write.head(length=1000) + b"abc"
    if chunked:
        head = head.replace(b"Content-Length: 1000", b"Transfer-Encoding: chunked")
        head = head.removesuffix(b"abc") + b"3e8\r\nabc"
    async with RawUpstream(serving) as upstream:
        client = await (await start_proxy(upstream.url)).connect()
        await client.send(head)
        answer, words = await read_denial(client)
        assert b"\r\nConnection: close\r\n" in answer
        assert words == words_of(FULL, write)


async def test_endless_body_is_not_waited_for(start_proxy: StartProxy, noted: Noted) -> None:
    denying(noted)
    write = WITH_BODY[2]
    head = write.head().replace(b"Content-Length: 5", b"Transfer-Encoding: chunked")
    async with RawUpstream(serving) as upstream:
        client = await (await start_proxy(upstream.url)).connect()
        await client.send(head + b"%x\r\n" % 300_000 + bytes(300_000) + b"\r\n")
        answer, words = await read_denial(client)
        assert b"\r\nConnection: close\r\n" in answer
        assert words == words_of(FULL, write)


@pytest.mark.parametrize("large", ["chart", "manifest"])
async def test_body_that_is_denied_when_it_is_known_never_ends_upstream(
    start_proxy: StartProxy, noted: Noted, large: str
) -> None:
    """Its size is known when all of it has come: the last piece is held back until then."""
    body = (
        images.build_chart("mychart", "1.2.3", size=300_000).content if large == "chart" else bytes(5_000_000)
    )
    write = Write("POST", "/api/charts", body, UploadChart)
    if large == "manifest":
        write = Write("PUT", "/v2/prj/app/manifests/v1", body, PutManifest)
    requests: list[AdmissionRequest] = []

    async def on_admit(request: AdmissionRequest) -> Denied | None:
        requests.append(request)
        return FULL if len(requests) == 2 else None

    async def script(connection: RawConnection) -> None:
        if (await connection.read_head()).startswith(b"GET"):
            await connection.send(PONG + b"ok")
        else:
            await connection.read_until_closed()

    noted.on_admit = on_admit
    async with RawUpstream(script) as upstream:
        client = await (await charts_and_images(start_proxy, upstream)).connect()
        await client.send(write.head() + write.body)
        head, words = await read_denial(client)
        assert head.startswith(b"HTTP/1.1 403 Forbidden\r\n")
        assert words == words_of(FULL, write)
        assert await is_served(client)
        forwarded = upstream.connections[0].received.partition(b"\r\n\r\n")[2]
        assert 0 < len(forwarded) < len(body)
    first, second = requests
    assert first.id == second.id
    digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
    known = second.chart_sizes if large == "chart" else {second.content_digest: len(body)}
    assert known[digest] == len(body)  # type: ignore[index]
    (exchange,) = noted.exchanges  # no answer: what became of it is found out, and its intent closed
    assert (exchange.id, exchange.status, exchange.outcome) == (first.id, 0, Outcome.UPSTREAM_FAILED)


async def test_denied_write_is_logged(start_proxy: StartProxy, noted: Noted) -> None:
    denying(noted)
    async with RawUpstream(serving) as upstream:
        proxy = await start_proxy(upstream.url)
        with capture_logs() as lines:
            await proxy.ask(WITH_BODY[0].head("Connection: close", "X-Request-Id: r1") + b"{}")
    assert [line for line in lines if line["event"] == "write.denied"] == [
        {
            "event": "write.denied",
            "log_level": "info",
            "operation": "PutManifest",
            "status": 403,
            "code": "DENIED",
            "request_id": "r1",
        }
    ]


async def test_what_nobody_observes_is_not_asked_for(start_proxy: StartProxy, noted: Noted) -> None:
    requests = denying(noted)
    noted.observes = lambda _: False

    async def script(connection: RawConnection) -> None:
        await connection.read_head()
        await connection.send(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")

    async with RawUpstream(script) as upstream:
        proxy = await start_proxy(upstream.url)
        answer = await proxy.ask(WITHOUT_BODY[2].head("Connection: close"))
    assert answer.startswith(b"HTTP/1.1 202 ")
    assert requests == []


@pytest.mark.parametrize(
    ("framing", "body", "body_bytes"),
    [
        (b"", b"", 0),
        (b"Content-Length: 0\r\n", b"", 0),
        (b"Content-Length: 3\r\n", b"abc", 3),
        (b"Content-Length: 3\r\nContent-Length: 3\r\n", b"abc", 3),
        (b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n0\r\n\r\n", None),
    ],
)
async def test_how_much_a_blob_write_brings(
    start_proxy: StartProxy, noted: Noted, framing: bytes, body: bytes, body_bytes: int | None
) -> None:
    requests = denying(noted)
    async with RawUpstream(serving) as upstream:
        client = await (await start_proxy(upstream.url)).connect()
        await client.send(
            b"PATCH " + SESSION.encode() + b" HTTP/1.1\r\nHost: h\r\n" + framing + b"\r\n" + body
        )
        await read_denial(client)
        assert await is_served(client)
    (request,) = requests
    assert isinstance(request.operation, WriteBlob)
    assert request.operation.body_bytes == body_bytes


# What a real registry makes of the same words

LAYER: Final = b"a layer"
LAYER_DIGEST: Final = f"sha256:{hashlib.sha256(LAYER).hexdigest()}"
WRONG: Final = "sha256:" + "0" * 64
FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module", params=["3", "2.8"])
def registry(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    version: Version = request.param
    try:
        server = Registry(tmp_path_factory.mktemp("registry"), version=version)
    except NotInstalledError as missing:
        pytest.skip(str(missing))
    with server:
        yield server


async def begin(client: httpx.AsyncClient, query: str = "", repository: str = "prj/app") -> httpx.Response:
    return await client.post(f"/v2/{repository}/blobs/uploads/{query}")


async def end(client: httpx.AsyncClient, query: str, repository: str = "prj/app") -> httpx.Response:
    location = (await begin(client, repository=repository)).headers["Location"]
    # As it stands: httpx would write some of it anew.
    target = httpx.URL(location).raw_path + query.encode()
    url = client.base_url.copy_with(raw_path=target)
    return await client.put(url, content=LAYER)


def last(noted: Noted) -> WriteBlob:
    operation = noted.asked[-1].operation
    assert isinstance(operation, WriteBlob)
    return operation


@pytest.mark.parametrize(
    "query",
    [
        f"&digest={LAYER_DIGEST}",
        f"&digest={LAYER_DIGEST}&digest={WRONG}",
        f"&digest={WRONG}&digest={LAYER_DIGEST}",
        f"&digest=&digest={LAYER_DIGEST}",
        f"&digest=%zz&digest={LAYER_DIGEST}",
        f"&digest={WRONG};&digest={LAYER_DIGEST}",
        f"&digest={LAYER_DIGEST};x",
        f"&d%69gest={LAYER_DIGEST}&digest={WRONG}",
        f"&Digest={LAYER_DIGEST}",
        f"&digest={LAYER_DIGEST.replace(':', '%3A')}",
        f"&digest={LAYER_DIGEST}+",
        "&digest=abc",
        "",
    ],
)
async def test_digest_is_the_one_that_the_registry_reads(
    start_proxy: StartProxy, noted: Noted, registry: Registry, query: str
) -> None:
    proxy = await start_proxy(registry.url)
    async with httpx.AsyncClient(base_url=proxy.url, trust_env=False) as client:
        answer = await end(client, query)
    assert (answer.status_code == 201) == (last(noted).digest == LAYER_DIGEST), answer.text
    assert last(noted).body_bytes == len(LAYER)


@pytest.mark.parametrize(
    ("query", "form"),
    [
        (f"?mount={LAYER_DIGEST}&from=prj/base", ""),
        (f"?from=prj%2Fbase&mount={LAYER_DIGEST.replace(':', '%3A')}", ""),
        (f"?mount={LAYER_DIGEST}&from=prj/base&from=prj/none&mount={WRONG}", ""),
        (f"?mount={LAYER_DIGEST}&from=prj/none&from=prj/base", ""),
        (f"?mount={WRONG}&mount={LAYER_DIGEST}&from=prj/base", ""),
        (f"?mount={LAYER_DIGEST}&from=Prj/base", ""),
        ("?mount=abc&from=prj/base", ""),
        ("", ""),
        (f"?mount={LAYER_DIGEST}&from=prj/base", f"mount={WRONG}&from=prj/none"),
    ],
)
async def test_mount_is_the_one_that_the_registry_reads(
    start_proxy: StartProxy, noted: Noted, registry: Registry, query: str, form: str
) -> None:
    proxy = await start_proxy(registry.url)
    async with httpx.AsyncClient(base_url=proxy.url, trust_env=False) as client:
        assert (await end(client, f"&digest={LAYER_DIGEST}", repository="prj/base")).status_code == 201
        url = httpx.URL(f"{proxy.url}/v2/prj/app/blobs/uploads/{query}")
        answer = await client.post(url, headers=FORM if form else {}, content=form.encode())
    found = last(noted)
    base = repository_of("prj/base", default_project="library")
    is_mounted = answer.status_code == 201
    assert is_mounted == (found.digest == LAYER_DIGEST and found.is_mount and found.mount_source == base)


@pytest.mark.parametrize(
    ("content_range", "is_claim"),
    [("0-6", True), ("0-7", False), ("0-5", False), ("6-0", False), ("bytes 0-6/7", False), ("x", False)],
)
async def test_range_that_a_registry_would_not_take_is_no_claim(
    start_proxy: StartProxy, noted: Noted, registry: Registry, content_range: str, *, is_claim: bool
) -> None:
    proxy = await start_proxy(registry.url)
    async with httpx.AsyncClient(base_url=proxy.url, trust_env=False) as client:
        target = httpx.URL((await begin(client)).headers["Location"]).raw_path
        url = client.base_url.copy_with(raw_path=target)
        answer = await client.patch(url, content=LAYER, headers={"Content-Range": content_range})
    assert last(noted).end_bytes == (len(LAYER) if is_claim else None)
    if not registry.program.endswith("docker-registry"):  # 2.8 takes whatever comes
        assert (answer.status_code == 202) == is_claim
