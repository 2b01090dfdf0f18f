"""A real registry answers through the sidecar what it answers without, byte for byte."""

import re
from collections.abc import Iterator

import pytest

from tests.support import images
from tests.support.process import NotInstalledError
from tests.support.raw_upstream import connect
from tests.support.servers import Registry, Version
from tests.wire.conftest import Noted, StartProxy

IMAGE = images.build_multi_platform("transparency")
CHILD = IMAGE.children[0]
BLOB, CONTENT = next(iter(CHILD.blobs.items()))
ACCEPT = f"Accept: {images.INDEX}, {images.MANIFEST}\r\n"
TYPE = f"Content-Type: {images.INDEX}\r\n"
UPLOAD = "POST /v2/prj/app/blobs/uploads/"

REQUESTS = [
    ("GET /v2", "", b""),
    ("GET /v2/", "", b""),
    ("HEAD /v2/", "", b""),
    ("GET /v2/_catalog?n=1", "", b""),
    ("GET /v2/prj/app/tags/list", "", b""),
    ("GET /v2/prj/app/manifests/v1", "", b""),
    ("GET /v2/prj/app/manifests/v1", ACCEPT, b""),
    ("HEAD /v2/prj/app/manifests/v1", ACCEPT, b""),
    (f"GET /v2/prj/app/manifests/{IMAGE.digest}", ACCEPT, b""),
    (f"GET /v2/prj%2Fapp/manifests/{IMAGE.digest.replace(':', '%3A')}", ACCEPT, b""),
    ("GET /v2/prj/app/manifests/v1", f'{ACCEPT}If-None-Match: "{IMAGE.digest}"\r\n', b""),
    ("HEAD /v2/prj/app/manifests/v1", f'{ACCEPT}If-None-Match: "{IMAGE.digest}"\r\n', b""),
    ("GET /v2/prj/app/manifests/missing", ACCEPT, b""),
    ("HEAD /v2/prj/app/manifests/missing", ACCEPT, b""),
    (f"GET /v2/prj/app/blobs/{BLOB}", "", b""),
    (f"HEAD /v2/prj/app/blobs/{BLOB}", "", b""),
    (f"GET /v2/prj/app/blobs/{BLOB}", "Range: bytes=2-5\r\n", b""),
    (f"GET /v2/prj/app/blobs/{BLOB}", "Range: bytes=99999999-\r\n", b""),
    (f"GET /v2/prj/app/blobs/sha256:{'0' * 64}", "", b""),
    ("GET /v2//prj/app/tags/list", "", b""),
    ("GET /v2/Upper/tags/list", "", b""),
    (f"GET /v2/prj/app/referrers/{IMAGE.digest}", "", b""),
    ("GET /elsewhere", "", b""),
    ("PUT /v2/prj/app/manifests/v1", TYPE, IMAGE.manifest),
    (f"PUT /v2/prj/app/manifests/{IMAGE.digest}?tag=a&tag=b", TYPE, IMAGE.manifest),
    ("PUT /v2/prj/app/manifests/v1", "", IMAGE.manifest),
    ("PUT /v2/prj/app/manifests/v1", TYPE, b"no json"),
    ("PUT /v2/prj/app/manifests/v1", TYPE, b" " * 5_000_000),
    (UPLOAD, "", b""),
    (f"{UPLOAD}?mount={BLOB}&from=prj/app", "", b""),
    (f"{UPLOAD}?mount=sha256:{'0' * 64}&from=prj/app", "", b""),
    (f"{UPLOAD}?digest={BLOB}", "", CONTENT),
    ("PATCH /v2/prj/app/blobs/uploads/none", "", b"abc"),
    (f"DELETE /v2/prj/app/blobs/sha256:{'0' * 64}", "", b""),
    (f"DELETE /v2/prj/app/manifests/sha256:{'0' * 64}", "", b""),
    ("DELETE /v2/prj/app/manifests/missing", "", b""),
    ("OPTIONS /v2/", "", b""),
]
#: What differs between two equal requests.
CHANGING = re.compile(
    rb"(Date: [^\r]+|Docker-Upload-Uuid: [^\r]+|uploads/[0-9a-f-]{36}|_state=[^\r&]+|Connection: close\r\n)"
)


@pytest.fixture(scope="module", params=["3", "2.8"])
def registry(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    version: Version = request.param
    try:
        server = Registry(tmp_path_factory.mktemp("registry"), version=version)
    except NotInstalledError as missing:
        pytest.skip(str(missing))
    with server:
        images.upload(IMAGE, registry_url=server.url, repository="prj/app", tag="v1")
        yield server


async def ask(port: int, line: str, headers: str, body: bytes) -> bytes:
    """The whole answer, without what changes from one to the next."""
    client = await connect(port)
    length = f"Content-Length: {len(body)}\r\n" if body or line.startswith(("P", "POST")) else ""
    head = f"{line} HTTP/1.1\r\nHost: registry.example.com\r\n{headers}{length}Connection: close\r\n\r\n"
    await client.send(head.encode() + body)
    answer = await client.read_until_closed()
    client.close()
    return CHANGING.sub(b"", answer)


@pytest.mark.parametrize(("line", "headers", "body"), REQUESTS)
@pytest.mark.parametrize("observed", [False, True])
async def test_answer_is_the_same(  # noqa: PLR0917
    start_proxy: StartProxy,
    noted: Noted,
    registry: Registry,
    line: str,
    headers: str,
    body: bytes,
    observed: bool,  # noqa: FBT001
) -> None:
    noted.observes = lambda _: observed
    proxy = await start_proxy(registry.url)
    direct = await ask(registry.port, line, headers, body)
    through = await ask(proxy.port, line, headers, body)
    assert direct.startswith(b"HTTP/1.1 ")
    assert through == direct
