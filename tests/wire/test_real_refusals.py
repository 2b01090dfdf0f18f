"""A real registry refuses before it reads: the client is told at once, and need not send the rest."""

import asyncio
import base64
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.support.process import NotInstalledError
from tests.support.raw_upstream import RawConnection
from tests.support.servers import Credentials, Registry, Version
from tests.wire.conftest import Noted, StartProxy

ALICE = Credentials("alice", "pa:ss")
BASIC = base64.b64encode(b"alice:pa:ss").decode()
SIZE = 256 * 1024 * 1024


@pytest.fixture(scope="module", params=["3", "2.8"])
def registry(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    version: Version = request.param
    try:
        server = Registry(tmp_path_factory.mktemp("registry"), version=version, users=[ALICE])
    except NotInstalledError as missing:
        pytest.skip(str(missing))
    with server:
        yield server


async def send_all(client: RawConnection) -> int:
    sent = 0
    with suppress(ConnectionError):
        while sent < SIZE:
            await client.send(bytes(1024 * 1024))
            sent += 1024 * 1024
    return sent


@pytest.mark.parametrize("path", ["blobs/uploads/x", "manifests/v1"])
@pytest.mark.parametrize("observed", [False, True])
async def test_large_body_without_credentials_is_refused(
    start_proxy: StartProxy, noted: Noted, registry: Registry, path: str, *, observed: bool
) -> None:
    noted.observes = lambda _: observed
    proxy = await start_proxy(registry.url)
    client = await proxy.connect()
    await client.send(
        f"PUT /v2/prj/app/{path} HTTP/1.1\r\nHost: h\r\nContent-Length: {SIZE}\r\n\r\n".encode()
    )
    sending = asyncio.ensure_future(send_all(client))
    async with asyncio.timeout(15):
        head = await client.read_head()
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    assert head.startswith(b"HTTP/1.1 401 Unauthorized\r\n")
    assert b'Basic realm="registry"' in head


@pytest.mark.parametrize(("header", "first"), [("", b"401"), (f"Authorization: Basic {BASIC}\r\n", b"100")])
async def test_waiting_client_is_told_by_the_registry_whether_to_send(
    start_proxy: StartProxy, registry: Registry, header: str, first: bytes
) -> None:
    proxy = await start_proxy(registry.url)
    client = await proxy.connect()
    start = f"POST /v2/prj/app/blobs/uploads/ HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nAuthorization: Basic {BASIC}"
    await client.send(start.encode() + b"\r\n\r\n")
    location = (await client.read_head()).split(b"Location: ")[1].split(b"\r\n")[0].removeprefix(b"http://h")
    await client.send(
        b"PATCH "
        + location
        + b" HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n"
        + header.encode()
        + b"\r\n"
    )
    async with asyncio.timeout(2):
        head = await client.read_head()
        assert head.split()[1] == first
        if first == b"100":
            await client.send(b"hello")
            assert (await client.read_head()).startswith(b"HTTP/1.1 202 Accepted\r\n")
