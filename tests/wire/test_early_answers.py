"""An upstream may refuse before it has read the body: the client gets that answer, whole."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from sidecar.model.exchange import Outcome
from tests.support.certificates import Certificate, write_certificate
from tests.support.process import NotInstalledError, answers
from tests.support.raw_upstream import RawConnection, RawUpstream
from tests.support.servers import Registry
from tests.wire.conftest import Noted, StartProxy

ERROR = b'{"errors":[{"code":"UNKNOWN","detail":"no space left on device"}]}' + b" " * 20_000
ANSWER = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: %d\r\n\r\n" % len(ERROR) + ERROR
PATCH = b"PATCH /v2/prj/app/blobs/uploads/x HTTP/1.1\r\nHost: h\r\n"


def refusing(after: int, answer: bytes = ANSWER, *, slowly: bool = False) -> RawUpstream:
    """Reads a little of the body, answers, and never reads the rest."""

    async def script(connection: RawConnection) -> None:
        await connection.read_head()
        await connection.read(after)
        if slowly:
            head, _, body = answer.partition(b"\r\n\r\n")
            await connection.send(head + b"\r\n\r\n" + body[:100])
            await asyncio.sleep(0.2)
            await connection.send(body[100:])
        else:
            await connection.send(answer)
        await asyncio.sleep(0.3)

    return RawUpstream(script)


async def upload_all(client: RawConnection, body: bytes) -> None:
    with suppress(ConnectionError):
        await client.send(body)


@pytest.mark.parametrize("slowly", [False, True])
@pytest.mark.parametrize("observed", [False, True])
async def test_refusal_in_mid_upload_reaches_the_client(
    start_proxy: StartProxy, noted: Noted, *, slowly: bool, observed: bool
) -> None:
    noted.observes = lambda _: observed
    size = 64 * 1024 * 1024
    async with refusing(1000, slowly=slowly) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        await client.send(PATCH + b"Content-Length: %d\r\n\r\n" % size)
        async with asyncio.timeout(10):
            sending = asyncio.ensure_future(upload_all(client, b"x" * size))
            head = await client.read_head()
            body = await client.read(len(ERROR))
            await sending
        client.close()
        assert head.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
        assert b"\r\nConnection: close\r\n" in head
        assert body == ERROR
        assert len(upstream.connections) == 1
        assert len(upstream.received) < 100_000
    if observed:
        (exchange,) = noted.exchanges
        assert (exchange.status, exchange.outcome) == (500, Outcome.COMPLETED)
        assert exchange.refusal is not None
        assert exchange.refusal.content == ERROR[: 16 * 1024]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return write_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.mark.parametrize("path", [b"PATCH /v2/prj/app/blobs/uploads/x", b"POST /api/charts"])
@pytest.mark.parametrize("secured", [False, True])
async def test_refusal_is_heard_though_the_upstream_reset_the_connection(
    start_proxy: StartProxy, certificate: Certificate, path: bytes, *, secured: bool
) -> None:
    async def script(connection: RawConnection) -> None:
        await connection.read_head()
        await connection.read(1000)
        await connection.send(ANSWER)
        connection.close()  # with much of the body unread: the kernel resets

    size = 4 * 1024 * 1024
    tls = certificate.client_context()
    async with RawUpstream(script, tls=certificate.server_context() if secured else None) as upstream:
        proxy = await start_proxy(
            upstream.url, chart_repository_url=upstream.url, registry_tls=tls, chart_repository_tls=tls
        )
        for _ in range(20):
            client = await proxy.connect()
            await client.send(path + b" HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size)
            sending = asyncio.ensure_future(upload_all(client, b"x" * size))
            async with asyncio.timeout(10):
                assert (await client.read_head()).startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
                assert await client.read(len(ERROR)) == ERROR
                await sending


class SecuredRegistry(Registry):
    """distribution v3 behind its own TLS."""

    def __init__(self, folder: Path, certificate: Certificate) -> None:
        folder.mkdir()
        super().__init__(folder)
        document = yaml.safe_load(self.configuration.read_text())
        files = {"certificate": str(certificate.path), "key": str(certificate.key_path)}
        document["http"]["tls"] = files
        self.configuration.write_text(yaml.safe_dump(document))

    @property
    def url(self) -> str:
        return f"https://{self.host}"

    def is_ready(self) -> bool:
        return answers(f"http://{self.host}/v2/", 400)  # HTTP spoken to an HTTPS server


@pytest.mark.parametrize("secured", [False, True])
async def test_a_manifest_that_is_too_large_is_refused_in_the_registrys_own_words(
    start_proxy: StartProxy, certificate: Certificate, tmp_path: Path, *, secured: bool
) -> None:
    try:
        registry = SecuredRegistry(tmp_path / "r", certificate) if secured else Registry(tmp_path)
    except NotInstalledError as missing:
        pytest.skip(str(missing))
    head = b"PUT /v2/prj/app/manifests/v1 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = (b"10000\r\n" + b"x" * 0x10000 + b"\r\n") * 80 + b"0\r\n\r\n"
    with registry:
        proxy = await start_proxy(registry.url, registry_tls=certificate.client_context())
        for _ in range(50):
            client = await proxy.connect()
            sending = asyncio.ensure_future(upload_all(client, head + body))
            async with asyncio.timeout(10):
                assert (await client.read_head()).startswith(b"HTTP/1.1 400 Bad Request\r\n")
            client.close()
            await sending


async def test_refusal_without_a_body_in_mid_upload_reaches_the_client(start_proxy: StartProxy) -> None:
    answer = b"HTTP/1.1 401 Unauthorized\r\nWww-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n"
    async with refusing(10, answer) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        await client.send(PATCH + b"Transfer-Encoding: chunked\r\n\r\n100000\r\n" + b"x" * 1000)
        async with asyncio.timeout(5):
            head = await client.read_head()
        assert head == answer.removesuffix(b"\r\n") + b"Connection: close\r\n\r\n"
        client.close()
        await proxy.proxy.drain(5)
        assert proxy.proxy.requests_in_flight == 0


@pytest.mark.parametrize("end", [b"", b"0\r\n\r\n"])
async def test_refused_upload_stops_and_never_ends_as_if_it_were_whole(
    start_proxy: StartProxy, noted: Noted, end: bytes
) -> None:
    noted.observes = lambda _: False  # an observed refusal waits until it is recorded

    async def script(connection: RawConnection) -> None:
        await connection.read_head()
        await connection.read(0x1000 + 8)
        await connection.send(b"HTTP/1.1 413 Request Entity Too Large\r\nContent-Length: 2\r\n\r\nn")
        await asyncio.sleep(0.3)  # while the client goes on
        await connection.send(b"o")
        await connection.read_until_closed()

    async with RawUpstream(script) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        await client.send(PATCH + b"Transfer-Encoding: chunked\r\n\r\n1000\r\n" + b"x" * 0x1000)
        head = await client.read_head()
        assert head.startswith(b"HTTP/1.1 413 Request Entity Too Large\r\n")
        received = len(upstream.received)
        await client.send(b"\r\n3\r\nabc\r\n" + end)
        assert await client.read(2) == b"no"
        await asyncio.sleep(0.1)
        assert len(upstream.received) == received
        client.close()


async def test_an_answer_that_comes_while_the_upstream_still_reads_does_not_end_the_upload(
    start_proxy: StartProxy,
) -> None:
    async def script(connection: RawConnection) -> None:
        await connection.read_head()
        await connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        body = await connection.read_chunked()
        await connection.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))

    async with RawUpstream(script) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        await client.send(PATCH + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        async with asyncio.timeout(5):
            await client.read_head()
            await client.send(b"3\r\ndef\r\n0\r\n\r\n")
            assert await client.read_chunked() == b"abcdef"
        client.close()
