import pytest
from yarl import URL

from sidecar.proxy.relay import Upload
from sidecar.proxy.upstream import Call, Upstream, UpstreamConnections


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("http://registry:5000", "http://registry:5000"),
        ("http://registry:5000/", "http://registry:5000"),
        ("http://user:pass@registry:5000/a%2Fb/?x=1#f", "http://registry:5000/a%2Fb"),
        ("https://[::1]:5000", "https://[::1]:5000"),
    ],
)
async def test_url_of_an_upstream_is_its_base(url: str, base: str) -> None:
    connections = UpstreamConnections()
    assert Upstream(url, connections, connect_timeout_s=1).url == base
    await connections.close()


async def test_elsewhere_asks_without_credentials() -> None:
    connections = UpstreamConnections()
    upstream = Upstream("http://registry", connections, connect_timeout_s=1)
    other, call = upstream.elsewhere("https://u:p@s3.example.com:8443/b%2Fc?sig=%2F", method="GET")
    assert other.url == "https://s3.example.com:8443"
    assert (call.target, call.headers) == ("/b%2Fc?sig=%2F", [(b"Host", b"s3.example.com:8443")])
    await connections.close()


@pytest.mark.parametrize(("method", "repeatable"), [("GET", True), ("HEAD", True), ("DELETE", False)])
def test_only_reads_may_be_repeated(method: str, *, repeatable: bool) -> None:
    assert Call(method=method, target="/", headers=[]).is_repeatable is repeatable


async def test_a_head_is_the_calls_own_bytes() -> None:
    headers = [(b"HOST", b"h"), (b"X-A", b"\xe9\t b"), (b"x-a", b"")]
    call = Call(method="PUT", target="/v2//a%2fb/\udcff?x=#y", headers=headers, body=Upload())
    call.is_last_on_connection = True
    assert call.head(URL("http://registry:5000/below")) == (
        b"PUT /below/v2//a%2fb/\xff?x=#y HTTP/1.1\r\nHOST: h\r\nX-A: \xe9\t b\r\nx-a: \r\n"
        b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )


def test_an_upstream_is_the_host_of_a_request_that_names_none() -> None:
    head = Call(method="GET", target="/v2/", headers=[]).head(URL("http://[::1]:5000"))
    assert head == b"GET /v2/ HTTP/1.1\r\nHost: [::1]:5000\r\n\r\n"
