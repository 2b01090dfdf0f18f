"""Which operation a path means: an event exactly where the registry did it, however the path is written."""

import asyncio
import hashlib
import re
from collections.abc import Iterator

import pytest

from sidecar.model.exchange import Exchange
from sidecar.model.operation import DeleteManifest, GetManifest, PutManifest
from tests.support import images
from tests.support.process import NotInstalledError
from tests.support.raw_upstream import connect
from tests.support.servers import ChartMuseum, Registry
from tests.wire.conftest import Noted, Running, StartProxy

MANIFEST = b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}'
DIGEST = "sha256:" + hashlib.sha256(MANIFEST).hexdigest()
TYPE = images.INDEX.encode()
KINDS = {b"PUT": PutManifest, b"GET": GetManifest, b"DELETE": DeleteManifest}
LONG = "a" * 252

PATHS = [
    "/v2/prj/app/manifests/v1",
    "/%762/prj/app/manifests/v1",
    "/v2%2Fprj/app/manifests/v1",
    "/v2/prj%2fapp%2Fmanifests%2Fv1",
    "/v2/prj/app/manifests/%76%31",
    f"/v2/prj/app/manifests/{DIGEST}",
    f"/v2/prj/app/manifests/{DIGEST.replace(':', '%3A')}",
    f"/v2/prj/app/manifests/{DIGEST.replace(':', '%3a')}",
    f"/v2/prj/app/manifests/{DIGEST.upper()}",
    f"/v2/prj/app/manifests/sha256:{DIGEST[7:].upper()}",
    "//v2/prj/app/manifests/v1",
    "/%2fv2/prj/app/manifests/v1",
    "/v2//prj/app/manifests/v1",
    "/v2/prj//app/manifests/v1",
    "/v2/prj%2F%2Fapp/manifests/v1",
    "/v2/./prj/app/manifests/v1",
    "/./v2/prj/app/manifests/v1",
    "/x/../v2/prj/app/manifests/v1",
    "/v2/prj/%2e%2e/app/manifests/v1",
    "/v2/prj/app/manifests/x/../v1",
    "/v2/prj/app/manifests/v1/",
    "/v2/prj/app/manifests/v1%2F",
    "/v2/prj/app/manifests//v1",
    "/v2/prj/app/manifests/v1/.",
    "/v2/prj/app/manifests/a+b",
    "/v2/prj/app/manifests/a%2Bb",
    "/v2/prj/app/manifests/v1;x",
    "/v2/prj/app/manifests/v1%3Fx",
    "/v2/prj/app/manifests/v1%00",
    "/v2/prj/app/manifests/v1%20",
    "/v2/prj/app/manifests/%zz",
    "/v2/prj/app/manifests/v1%",
    "/v2/prj/app/manifests/v1?x=/../..",
    f"/v2/prj/app/manifests/{'a' * 128}",
    f"/v2/prj/app/manifests/{'a' * 129}",
    "/v2/Prj/app/manifests/v1",
    "/v2/Prj.x/app/manifests/v1",
    "/v2/Prj-x/app/manifests/v1",
    "/v2/Prj_x/app/manifests/v1",
    "/v2/Prj/manifests/v1",
    "/v2/prj/App/manifests/v1",
    "/v2/prj:5000/app/manifests/v1",
    "/v2/localhost/app/manifests/v1",
    "/v2/-a/app/manifests/v1",
    "/v2/a-/app/manifests/v1",
    "/V2/prj/app/manifests/v1",
    "/v2/prj/app/Manifests/v1",
    f"/v2/{'a' * 255}/manifests/v1",
    f"/v2/{'a' * 256}/manifests/v1",
    f"/v2/prj/{LONG}/manifests/v1",
    f"/v2/Prj/{LONG}aaaa/manifests/v1",
    f"/v2/{'P' * 2000}/{LONG}/manifests/v1",
    f"/v2/prj/{'a/' * 127}a/manifests/v1",
    f"/v2/prj/{'a/' * 128}a/manifests/v1",
    "/v2/app/manifests/v1",
    "/v2/manifests/v1",
    "/v2/manifests/manifests/v1",
    "/v2/a/blobs/uploads/manifests/v1",
    "/v2/a/tags/manifests/list",
    "http://h/%762/prj/app/manifests/v1",
    "http://h//v2/prj/app/manifests/v1",
]


@pytest.fixture(scope="module", params=["3", "2.8"])
def registry(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    try:
        server = Registry(tmp_path_factory.mktemp("registry"), version=request.param)
    except NotInstalledError as missing:
        pytest.skip(str(missing))
    with server:
        yield server


async def status_of(port: int, method: bytes, path: str) -> int:
    body = MANIFEST if method == b"PUT" else b""
    client = await connect(port)
    await client.send(
        b"%s %s HTTP/1.1\r\nHost: h\r\nContent-Type: %s\r\nAccept: %s\r\nContent-Length: %d\r\n"
        b"Connection: close\r\n\r\n" % (method, path.encode(), TYPE, TYPE, len(body)) + body
    )
    async with asyncio.timeout(10):
        answer = await client.read_until_closed()
    client.close()
    return int(answer.split(b" ", 2)[1])


async def accepted_alike(proxy: Running, noted: Noted, registry: Registry, path: str) -> int:
    """How much the registry accepted, each seen as what it is."""
    count = 0
    digest_path = re.sub(r"(manifests(?:/|%2F))[^/?]*", lambda found: found[1] + DIGEST, path)
    for method, asked in ((b"PUT", path), (b"GET", path), (b"DELETE", path), (b"DELETE", digest_path)):
        await status_of(registry.port, b"PUT", path)
        direct = await status_of(registry.port, method, asked)
        await status_of(registry.port, b"PUT", path)
        noted.exchanges.clear()
        assert await status_of(proxy.port, method, asked) == direct, (method, asked)
        if direct < 300:
            count += 1
            await noted.recorded(1)
        seen = [exchange for exchange in noted.exchanges if exchange.succeeded]
        assert [type(exchange.operation) for exchange in seen] == [KINDS[method]] * (direct < 300), (
            method,
            asked,
        )
        assert not seen or is_named_as_asked(seen[0], path)
    return count


def is_named_as_asked(exchange: Exchange, path: str) -> bool:
    operation = exchange.operation
    assert isinstance(operation, PutManifest | GetManifest | DeleteManifest)
    plain = path.replace("%2F", "/").replace("%2f", "/")
    return f"/{operation.repository.full_name}/manifests" in plain


async def test_an_event_exactly_where_the_registry_did_it(
    start_proxy: StartProxy, noted: Noted, registry: Registry
) -> None:
    proxy = await start_proxy(registry.url)
    counts = {path: await accepted_alike(proxy, noted, registry, path) for path in PATHS}
    assert sum(map(bool, counts.values())) > 20
    for path in ("/%762/prj/app/manifests/v1", "/v2%2Fprj/app/manifests/v1", "/v2/Prj/app/manifests/v1"):
        assert counts[path] >= 3


async def test_a_chart_repository_beside_it_changes_nothing(
    start_proxy: StartProxy, noted: Noted, registry: Registry, tmp_path_factory: pytest.TempPathFactory
) -> None:
    try:
        museum = ChartMuseum(tmp_path_factory.mktemp("charts"), depth="dynamic")
    except NotInstalledError as missing:
        pytest.skip(str(missing))
    with museum:
        proxy = await start_proxy(registry.url, chart_repository_url=museum.url)
        for path in PATHS:
            if not path.startswith("/V2"):
                await accepted_alike(proxy, noted, registry, path)
