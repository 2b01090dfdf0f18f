"""What tells the processes behind one address apart, as the exchanges that are recorded have it."""

import pytest

from sidecar.proxy.interface import Network
from tests.support.raw_upstream import RawUpstream, answering
from tests.wire.conftest import Noted, StartProxy

MANIFEST = b'{"schemaVersion": 2}'
FOUND = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(MANIFEST), MANIFEST)


def a_get(*headers: bytes) -> bytes:
    return b"\r\n".join((b"GET /v2/prj/app/manifests/v1 HTTP/1.1", b"Host: h", *headers, b"", b""))


async def test_requests_of_one_connection_are_known_to_be(start_proxy: StartProxy, noted: Noted) -> None:
    async with RawUpstream(answering(FOUND)) as upstream:
        proxy = await start_proxy(upstream.url)
        clients = [await proxy.connect() for _ in range(2)]
        for client in (clients[0], clients[0], clients[1]):
            await client.send(a_get())
            assert await client.read(len(FOUND))
        first, again, other = [exchange.client for exchange in await noted.recorded(3)]
    assert first == again == other
    assert first.shares_connection(again)
    assert not first.shares_connection(other)


@pytest.mark.parametrize(
    "header", [b"X-Forwarded-For: 203.0.113.9", b"Via: 1.1 gateway", b"Forwarded: for=x"]
)
@pytest.mark.parametrize("trusted", [True, False])
async def test_requests_over_a_connection_of_an_outer_proxy_are_not(
    start_proxy: StartProxy, noted: Noted, header: bytes, *, trusted: bool
) -> None:
    trusted_proxies: dict[str, tuple[Network, ...]] = {} if trusted else {"trusted_proxies": ()}
    async with RawUpstream(answering(FOUND)) as upstream:
        proxy = await start_proxy(upstream.url, **trusted_proxies)
        client = await proxy.connect()
        for _ in range(2):
            await client.send(a_get(header))
            await client.read(len(FOUND))
        first, second = [exchange.client for exchange in await noted.recorded(2)]
    assert first == second
    assert not first.shares_connection(second)
