"""An accepted request lends its credentials to whoever must ask about an open intent; never a refused one."""

import asyncio
from dataclasses import replace

import pytest
from aiohttp import web

from sidecar.model.operation import GetManifest, Operation, PutManifest
from sidecar.proxy import Hooks, Proxy, ProxySettings
from tests.support.raw_upstream import RawUpstream, answering, connect
from tests.wire.conftest import Noted


@pytest.mark.parametrize(
    ("status", "authorization", "wanted", "lent"),
    [
        (b"200", "Bearer t", True, [(GetManifest, "Bearer t")]),
        (b"200", "Bearer t", False, []),
        (b"200", "", True, []),
        (b"401", "Bearer t", True, []),
    ],
)
async def test_credentials_are_lent(
    noted: Noted,
    status: bytes,
    authorization: str,
    lent: list[tuple[type[Operation], str]],
    *,
    wanted: bool,
) -> None:
    taken: list[tuple[type[Operation], str]] = []

    async def reconcile_as(operation: Operation, credentials: str) -> None:
        await asyncio.sleep(0)
        taken.append((type(operation), credentials))

    hooks: Hooks = replace(
        noted.hooks,
        wants_credentials=lambda operation: wanted and not isinstance(operation, PutManifest),
        reconcile_as=reconcile_as,
    )
    async with RawUpstream(answering(b"HTTP/1.1 " + status + b" X\r\nContent-Length: 0\r\n\r\n")) as upstream:
        proxy = Proxy(ProxySettings(registry_url=upstream.url), hooks)
        await proxy.start()
        runner = web.ServerRunner(proxy.server())
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        client = await connect(runner.addresses[0][1])
        header = f"Authorization: {authorization}\r\n" if authorization else ""
        await client.send(f"GET /v2/prj/app/manifests/v1 HTTP/1.1\r\nHost: h\r\n{header}\r\n".encode())
        await client.read_head()
        client.close()
        await runner.cleanup()
        await proxy.close(1)
    assert taken == lent
