"""The environment's proxies, read as Go reads them."""

import pytest
from yarl import URL

from sidecar.dispatcher.proxies import proxy_for

BOTH = {"HTTP_PROXY": "http://plain:3128", "https_proxy": "secure:3129"}


@pytest.mark.parametrize(
    ("address", "proxy"),
    [
        ("http://ci.example/", "http://plain:3128"),
        ("https://ci.example/", "http://secure:3129"),
        ("http://localhost:9/", None),
        ("http://127.0.0.2/", None),
        ("http://[::1]/", None),
    ],
)
def test_scheme_decides_and_loopback_is_never_proxied(address: str, proxy: str | None) -> None:
    assert proxy_for(URL(address), BOTH) == (URL(proxy) if proxy else None)


@pytest.mark.parametrize(
    ("no_proxy", "address", "direct"),
    [
        ("*", "http://ci.example/", True),
        ("ci.example", "http://ci.example/", True),
        ("ci.example", "http://a.ci.example/", True),
        ("ci.example", "http://xci.example/", False),
        (".example", "http://ci.example/", True),
        (".ci.example", "http://ci.example/", False),
        ("*.example", "http://ci.example/", True),
        ("a, CI.EXAMPLE ,b", "http://ci.example/", True),
        ("ci.example:80", "http://ci.example/", True),
        ("ci.example:81", "http://ci.example/", False),
        ("10.0.0.0/8", "http://10.1.2.3/", True),
        ("10.0.0.0/8", "http://11.1.2.3/", False),
        ("10.1.2.3", "http://10.1.2.3/", True),
        ("10.1.2.3:8080", "http://10.1.2.3:8080/", True),
        ("10.0.0.0/8", "http://ten.example/", False),
        ("", "http://ci.example/", False),
    ],
)
def test_no_proxy(no_proxy: str, address: str, *, direct: bool) -> None:
    assert (proxy_for(URL(address), BOTH | {"no_proxy": no_proxy}) is None) == direct


def test_without_an_environment_there_is_no_proxy() -> None:
    assert proxy_for(URL("https://ci.example"), {}) is None


@pytest.mark.parametrize("text", ["socks5://proxy:1080", "http://"])
def test_a_proxy_that_cannot_be_used_is_said(text: str) -> None:
    with pytest.raises(ValueError, match="HTTPS_PROXY"):
        proxy_for(URL("https://ci.example"), {"HTTPS_PROXY": text})
