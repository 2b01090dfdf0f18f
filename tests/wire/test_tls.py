"""An upstream behind TLS: verified, or the client is told that it cannot be reached."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from sidecar.upstreams.client import UpstreamClient, probe, tls_context
from tests.support.certificates import Certificate, Chain, write_certificate, write_chain
from tests.wire.conftest import StartProxy

ASK = b"GET /v2/ HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return write_certificate(tmp_path_factory.mktemp("certificate"))


@asynccontextmanager
async def listening_with(certificate: Certificate) -> AsyncIterator[str]:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=await request.read() or request.headers["X-Forwarded-Proto"].encode())

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.path, certificate.key_path)
    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


def context_of(path: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=path)


async def test_certificate_of_an_own_authority_is_accepted(
    start_proxy: StartProxy, certificate: Certificate
) -> None:
    async with listening_with(certificate) as url:
        proxy = await start_proxy(url, registry_tls=context_of(certificate.path))
        for _ in range(2):
            assert (await proxy.ask(ASK)).endswith(b"\r\n\r\nhttp")
        put = ASK.replace(b"GET", b"PUT").replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\nabc")
        assert (await proxy.ask(put)).endswith(b"\r\n\r\nabc")


async def test_unknown_certificate_is_a_bad_gateway(
    start_proxy: StartProxy, certificate: Certificate
) -> None:
    async with listening_with(certificate) as url:
        proxy = await start_proxy(url)
        assert (await proxy.ask(ASK)).startswith(b"HTTP/1.1 502 ")


async def test_verification_can_be_switched_off(start_proxy: StartProxy, certificate: Certificate) -> None:
    async with listening_with(certificate) as url:
        proxy = await start_proxy(url, registry_tls=False)
        assert (await proxy.ask(ASK)).startswith(b"HTTP/1.1 200 ")


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return write_chain(tmp_path_factory.mktemp("chain"))


@pytest.mark.parametrize("held", ["root", "intermediate", "own"])
async def test_whatever_a_bundle_holds_of_a_chain_is_trusted(
    start_proxy: StartProxy, chain: Chain, tmp_path: Path, held: str
) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_bytes(getattr(chain, held))
    async with listening_with(chain.served) as url:
        proxy = await start_proxy(url, registry_tls=tls_context(bundle))
        assert (await proxy.ask(ASK)).startswith(b"HTTP/1.1 200 ")
        assert await probe(UpstreamClient(url=url, ca_file=bundle)) == ""


@pytest.mark.parametrize("held", ["root", "intermediate", "own"])
async def test_a_trusted_certificate_of_another_host_is_a_bad_gateway(
    start_proxy: StartProxy, tmp_path: Path, held: str
) -> None:
    other = write_chain(tmp_path / "other", host="registry.example.com")
    bundle = tmp_path / "ca.pem"
    bundle.write_bytes(getattr(other, held))
    async with listening_with(other.served) as url:
        proxy = await start_proxy(url, registry_tls=tls_context(bundle))
        assert (await proxy.ask(ASK)).startswith(b"HTTP/1.1 502 ")


async def test_a_bundle_of_another_authority_is_a_bad_gateway(
    start_proxy: StartProxy, chain: Chain, certificate: Certificate
) -> None:
    async with listening_with(chain.served) as url:
        proxy = await start_proxy(url, registry_tls=tls_context(certificate.path))
        assert (await proxy.ask(ASK)).startswith(b"HTTP/1.1 502 ")


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_certificates_without_a_newline_between_them_are_read(
    start_proxy: StartProxy, chain: Chain, certificate: Certificate, tmp_path: Path, order: tuple[int, int]
) -> None:
    pems = (chain.root.strip(), certificate.path.read_bytes().strip())
    bundle = tmp_path / "ca.pem"
    bundle.write_bytes("# fran\xe7ais\n".encode() + b"".join(pems[at] for at in order))
    for server in (chain.served, certificate):
        async with listening_with(server) as url:
            proxy = await start_proxy(url, registry_tls=tls_context(bundle))
            assert (await proxy.ask(ASK)).startswith(b"HTTP/1.1 200 ")
