"""Path and query reach the upstream byte for byte: signed states and encoded slashes live in them."""

import pytest

from tests.support.raw_upstream import RawUpstream, answering
from tests.wire.conftest import StartProxy

TARGETS = [
    b"/v2/",
    b"/v2/prj%2Fapp/manifests/v1",
    b"/v2/prj/app/manifests/sha256%3Aabc",
    b"/v2/prj/app/blobs/uploads/x?_state=a%2Bb%3D%3d&digest=sha256%3Aab",
    b"/v2/prj/app/blobs/uploads/x?_state=" + b"A" * 8000,
    b"/v2//prj/../app/./manifests/v1",
    b"/api/charts?force",
    b"/api/charts?a=b=c&&d=%zz",
    b"/charts/x-1.0.0+build.tgz",
    b"/charts/x-1.0.0%2Bbuild.tgz?a=1+2%20;x",
    b"/a~b'(c)*!$,;:@|^`{}\"",
]


@pytest.mark.parametrize("target", TARGETS)
async def test_target_passes_unchanged(start_proxy: StartProxy, target: bytes) -> None:
    async with RawUpstream(answering()) as upstream:
        proxy = await start_proxy(upstream.url)
        answer = await proxy.ask(b"GET " + target + b" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert upstream.received.partition(b"\r\n")[0] == b"GET " + target + b" HTTP/1.1"


@pytest.mark.parametrize(
    ("target", "sent", "host"),
    [
        (b"http://reg.example.com:5000/v2/a%2Fb?x=%2F", b"/v2/a%2Fb?x=%2F", b"reg.example.com:5000"),
        (b"http://user@reg.example.com/v2/", b"/v2/", b"reg.example.com"),
        (b"http://reg.example.com", b"/", b"reg.example.com"),
        (b"http://reg.example.com?a=/b", b"/?a=/b", b"reg.example.com"),
    ],
)
async def test_absolute_form_names_the_host(
    start_proxy: StartProxy, target: bytes, sent: bytes, host: bytes
) -> None:
    async with RawUpstream(answering()) as upstream:
        proxy = await start_proxy(upstream.url)
        await proxy.ask(b"GET " + target + b" HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n")
        assert upstream.received.startswith(b"GET " + sent + b" HTTP/1.1\r\nHost: " + host + b"\r\n")


@pytest.mark.parametrize(("line", "status"), [(b"OPTIONS *", b"400"), (b"CONNECT h:443", b"405")])
async def test_a_target_that_is_no_path_is_refused(
    start_proxy: StartProxy, line: bytes, status: bytes
) -> None:
    async with RawUpstream(answering()) as upstream:
        proxy = await start_proxy(upstream.url)
        answer = await proxy.ask(line + b" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        assert upstream.received == b""
    assert answer[8:].startswith(b" " + status + b" ")


async def test_a_path_of_the_upstreams_url_comes_first(start_proxy: StartProxy) -> None:
    async with RawUpstream(answering()) as upstream:
        proxy = await start_proxy(upstream.url + "/below/")
        await proxy.ask(b"GET /v2/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        assert upstream.received.startswith(b"GET /below/v2/x HTTP/1.1\r\n")


async def test_registry_paths_and_all_others_have_their_own_upstreams(start_proxy: StartProxy) -> None:
    async with RawUpstream(answering()) as registry, RawUpstream(answering()) as charts:
        proxy = await start_proxy(registry.url, chart_repository_url=charts.url)
        for target in (b"/v2", b"/v2/", b"/v2/_catalog", b"/", b"/index.yaml", b"/v20/x", b"/api/charts"):
            await proxy.ask(b"GET " + target + b" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        assert registry.heads == ["GET /v2 HTTP/1.1", "GET /v2/ HTTP/1.1", "GET /v2/_catalog HTTP/1.1"]
        assert [head.split()[1] for head in charts.heads] == ["/", "/index.yaml", "/v20/x", "/api/charts"]


async def test_without_a_chart_repository_the_registry_gets_everything(start_proxy: StartProxy) -> None:
    async with RawUpstream(answering()) as registry:
        proxy = await start_proxy(registry.url)
        await proxy.ask(b"GET /service/token?a=b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        assert registry.heads == ["GET /service/token?a=b HTTP/1.1"]


async def test_settings_are_replaced_without_dropping_a_connection(start_proxy: StartProxy) -> None:
    async with RawUpstream(answering()) as first, RawUpstream(answering()) as second:
        proxy = await start_proxy(first.url)
        client = await proxy.connect()
        for upstream in (first, second):
            proxy.proxy.apply(proxy.settings(upstream.url))
            await client.send(b"GET /v2/ HTTP/1.1\r\nHost: h\r\n\r\n")
            await client.read_head()
            assert await client.read(2) == b"ok"
        assert (len(first.heads), len(second.heads)) == (1, 1)
        client.close()
