from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.config import checks
from sidecar.model.operation import DYNAMIC


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (checks.host_name, "registry.example.com"),
        (checks.host_name, "registry:5000"),
        (checks.host_name, "[::1]:5000"),
        (checks.listen_address, "0.0.0.0:5000"),
        (checks.listen_address, ":5000"),
        (checks.listen_address, "[::]:5000"),
        (checks.base_url, "http://127.0.0.1:5001"),
        (checks.base_url, "https://registry.svc"),
        (checks.external_url, "https://example.com/registry"),
        (checks.target_address, "https://u:p@ci.example.com:8443/hook?token=a%2Fb#x"),
        (checks.target_address, "http://[fd00::1]:80/"),
        (checks.header_value, "Bearer abc"),
        (checks.header_value, "Basic dTpw\tx"),
        (checks.signing_secret, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        (checks.event_type, "pushImage"),
        (checks.event_type, "QUOTA_EXCEED"),
        (checks.project_name, "*"),
        (checks.project_name, "Team-1"),
        (checks.glob, "prj/**"),
        (checks.operator_glob, ""),
        (checks.operator_glob, "robot$*"),
        (checks.media_type, "text/plain"),
        (checks.media_type, 'application/x+json; charset=utf-8;a="b c"'),
        (checks.cidr, "10.0.0.0/8"),
        (checks.cidr, "::1"),
        (checks.context_path, "/charts/x"),
        (checks.context_path, ""),
        (checks.plain_text, "a b"),
    ],
)
def test_good_values_stay_as_they_are(check: Callable[[str], str], text: str) -> None:
    assert check(text) == text


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (checks.host_name, "https://registry.example.com"),
        (checks.host_name, "registry/x"),
        (checks.host_name, "registry:99999"),
        (checks.host_name, ""),
        (checks.listen_address, "5000"),
        (checks.listen_address, "0.0.0.0:0"),
        (checks.listen_address, "0.0.0.0:65536"),
        (checks.listen_address, "a b:80"),
        (checks.base_url, "127.0.0.1:5001"),
        (checks.base_url, "http://u:p@h"),
        (checks.base_url, "http://h/v2"),
        (checks.base_url, "http://h?x"),
        (checks.external_url, "registry.example.com"),
        (checks.external_url, "https://h?x"),
        (checks.target_address, "/hook"),
        (checks.target_address, "ftp://h"),
        (checks.target_address, "http://"),
        (checks.target_address, "http://h:99999"),
        (checks.target_address, "http://h:0"),
        (checks.target_address, "http://[::1"),
        (checks.target_address, "http://h/ x"),
        (checks.target_address, "http://h/\n"),
        (checks.target_address, "http://h\\@x"),
        (checks.target_address, "http://h/é"),
        (checks.header_value, "a\nb"),
        (checks.header_value, "a\r\nX-Other: b"),
        (checks.header_value, "é"),
        (checks.header_value, " a"),
        (checks.header_value, "a\x7f"),
        (checks.signing_secret, "whsec_!"),
        (checks.event_type, "pushimages"),
        (checks.project_name, "a/b"),
        (checks.project_name, ""),
        (checks.glob, ""),
        (checks.glob, " a"),
        (checks.operator_glob, " "),
        (checks.media_type, "json"),
        (checks.media_type, "text/plain\r\nX: y"),
        (checks.media_type, "text/plain;"),
        (checks.cidr, "10.0.0.1/8"),
        (checks.cidr, "x"),
        (checks.context_path, "charts"),
        (checks.context_path, "/a//b"),
        (checks.plain_text, "a\nb"),
        (checks.plain_text, " "),
    ],
)
def test_bad_values_are_refused(check: Callable[[str], str], text: str) -> None:
    with pytest.raises(ValueError, match=r".{10}") as caught:
        check(text)
    assert len(str(caught.value).splitlines()) == 1


def test_slashes_at_the_end_of_urls_go() -> None:
    assert checks.base_url("http://h:1/") == "http://h:1"
    assert checks.external_url("https://h/x/") == "https://h/x"
    assert checks.context_path("/charts/") == "/charts"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("0.0.0.0:1", ("0.0.0.0", 1)),
        (":1", ("::", 1)),
        ("[::]:1", ("::", 1)),
        ("[::1]:8080", ("::1", 8080)),
        ("a:1", ("a", 1)),
    ],
)
def test_split_address(text: str, address: tuple[str, int]) -> None:
    assert checks.split_address(text) == address


def test_chart_depth() -> None:
    assert checks.chart_depth("dynamic") == DYNAMIC
    assert checks.chart_depth(0) == 0
    for wrong in (-1, True, 1.0, "1", None):
        with pytest.raises(ValueError, match="dynamic"):
            checks.chart_depth(wrong)


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (-1, -1),
        (0, 0),
        (5, 5),
        ("5", 5),
        ("5B", 5),
        ("10GiB", 10 * 2**30),
        ("1.5 KiB", 1536),
        ("2MB", 2_000_000),
    ],
)
def test_storage_limit(value: object, size: int) -> None:
    assert checks.storage_limit(value) == size


@pytest.mark.parametrize("value", [-2, True, 1.5, "ten", "10 XB", "", None, "GiB", "-1GiB"])
def test_storage_limit_refuses(value: object) -> None:
    with pytest.raises(ValueError, match="must be a size"):
        checks.storage_limit(value)


@given(st.text(), st.sampled_from([checks.host_name, checks.listen_address, checks.base_url, checks.external_url,
    checks.target_address, checks.header_value, checks.signing_secret, checks.event_type, checks.project_name,
    checks.glob, checks.cidr, checks.context_path, checks.plain_text, checks.storage_limit, checks.chart_depth]))  # fmt: skip
def test_checks_raise_nothing_but_value_error_and_quote_nothing(
    text: str, check: Callable[[str], object]
) -> None:
    assert len(text) < 15 or text not in _complaint(check, text)


def _complaint(check: Callable[[str], object], text: str) -> str:
    try:
        check(text)
    except ValueError as exc:
        return str(exc)
    return ""
