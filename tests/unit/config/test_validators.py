from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.config import validators
from sidecar.model.operation import DYNAMIC


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (validators.host_name, "registry.example.com"),
        (validators.host_name, "registry:5000"),
        (validators.host_name, "[::1]:5000"),
        (validators.listen_address, "0.0.0.0:5000"),
        (validators.listen_address, ":5000"),
        (validators.listen_address, "[::]:5000"),
        (validators.base_url, "http://127.0.0.1:5001"),
        (validators.base_url, "https://registry.svc"),
        (validators.external_url, "https://example.com/registry"),
        (validators.target_address, "https://u:p@ci.example.com:8443/hook?token=a%2Fb#x"),
        (validators.target_address, "http://[fd00::1]:80/"),
        (validators.header_value, "Bearer abc"),
        (validators.header_value, "Basic dTpw\tx"),
        (validators.signing_secret, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        (validators.event_type, "pushImage"),
        (validators.event_type, "QUOTA_EXCEED"),
        (validators.project_name, "*"),
        (validators.project_name, "Team-1"),
        (validators.glob, "prj/**"),
        (validators.operator_glob, ""),
        (validators.operator_glob, "robot$*"),
        (validators.media_type, "text/plain"),
        (validators.media_type, 'application/x+json; charset=utf-8;a="b c"'),
        (validators.cidr, "10.0.0.0/8"),
        (validators.cidr, "::1"),
        (validators.context_path, "/charts/x"),
        (validators.context_path, ""),
        (validators.plain_text, "a b"),
    ],
)
def test_good_values_stay_as_they_are(check: Callable[[str], str], text: str) -> None:
    assert check(text) == text


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (validators.host_name, "https://registry.example.com"),
        (validators.host_name, "registry/x"),
        (validators.host_name, "registry:99999"),
        (validators.host_name, ""),
        (validators.listen_address, "5000"),
        (validators.listen_address, "0.0.0.0:0"),
        (validators.listen_address, "0.0.0.0:65536"),
        (validators.listen_address, "a b:80"),
        (validators.base_url, "127.0.0.1:5001"),
        (validators.base_url, "http://u:p@h"),
        (validators.base_url, "http://h/v2"),
        (validators.base_url, "http://h?x"),
        (validators.external_url, "registry.example.com"),
        (validators.external_url, "https://h?x"),
        (validators.target_address, "/hook"),
        (validators.target_address, "ftp://h"),
        (validators.target_address, "http://"),
        (validators.target_address, "http://h:99999"),
        (validators.target_address, "http://h:0"),
        (validators.target_address, "http://[::1"),
        (validators.target_address, "http://h/ x"),
        (validators.target_address, "http://h/\n"),
        (validators.target_address, "http://h\\@x"),
        (validators.target_address, "http://h/é"),
        (validators.header_value, "a\nb"),
        (validators.header_value, "a\r\nX-Other: b"),
        (validators.header_value, "é"),
        (validators.header_value, " a"),
        (validators.header_value, "a\x7f"),
        (validators.signing_secret, "whsec_!"),
        (validators.event_type, "pushimages"),
        (validators.project_name, "a/b"),
        (validators.project_name, ""),
        (validators.glob, ""),
        (validators.glob, " a"),
        (validators.operator_glob, " "),
        (validators.media_type, "json"),
        (validators.media_type, "text/plain\r\nX: y"),
        (validators.media_type, "text/plain;"),
        (validators.cidr, "10.0.0.1/8"),
        (validators.cidr, "x"),
        (validators.context_path, "charts"),
        (validators.context_path, "/a//b"),
        (validators.plain_text, "a\nb"),
        (validators.plain_text, " "),
    ],
)
def test_bad_values_are_refused(check: Callable[[str], str], text: str) -> None:
    with pytest.raises(ValueError, match=r".{10}") as caught:
        check(text)
    assert len(str(caught.value).splitlines()) == 1


def test_slashes_at_the_end_of_urls_go() -> None:
    assert validators.base_url("http://h:1/") == "http://h:1"
    assert validators.external_url("https://h/x/") == "https://h/x"
    assert validators.context_path("/charts/") == "/charts"


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
    assert validators.split_address(text) == address


def test_chart_depth() -> None:
    assert validators.chart_depth("dynamic") == DYNAMIC
    assert validators.chart_depth(0) == 0
    for wrong in (-1, True, 1.0, "1", None):
        with pytest.raises(ValueError, match="dynamic"):
            validators.chart_depth(wrong)


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
    assert validators.storage_limit(value) == size


@pytest.mark.parametrize("value", [-2, True, 1.5, "ten", "10 XB", "", None, "GiB", "-1GiB"])
def test_storage_limit_refuses(value: object) -> None:
    with pytest.raises(ValueError, match="must be a size"):
        validators.storage_limit(value)


@given(st.text(), st.sampled_from([validators.host_name, validators.listen_address, validators.base_url, validators.external_url,
    validators.target_address, validators.header_value, validators.signing_secret, validators.event_type, validators.project_name,
    validators.glob, validators.cidr, validators.context_path, validators.plain_text, validators.storage_limit, validators.chart_depth]))  # fmt: skip
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
