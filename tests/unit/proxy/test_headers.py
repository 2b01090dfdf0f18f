import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.proxy.headers import (
    RawHeader,
    end_to_end,
    relative_location,
    text_of,
    values_of,
    with_forwarded,
    with_host,
    with_own_location,
)

UPSTREAM = "http://127.0.0.1:5001"


def test_hop_by_hop_headers_are_dropped() -> None:
    names = (
        b"Connection Keep-Alive Proxy-Connection Proxy-Authorization Proxy-Authenticate TE Trailer Upgrade "
        b"Transfer-Encoding"
    ).split()
    headers = [(name, b"x") for name in names]
    assert end_to_end([*headers, (b"Accept", b"a")]) == [(b"Accept", b"a")]


def test_what_connection_names_is_dropped_in_any_spelling() -> None:
    headers = [(b"CONNECTION", b"close , x-A"), (b"connection", b"X-B"), (b"X-a", b"1"), (b"x-b", b"2")]
    assert end_to_end([*headers, (b"x-c", b"3")]) == [(b"x-c", b"3")]


def test_connection_cannot_take_host_or_length_away() -> None:
    headers = [(b"Host", b"h"), (b"Content-Length", b"5")]
    assert end_to_end([(b"Connection", b"Host, content-length"), *headers]) == headers


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=8), st.binary(max_size=8))))
def test_end_to_end_keeps_order_and_repetition(headers: list[RawHeader]) -> None:
    kept = end_to_end(headers)
    remaining = iter(headers)
    assert all(pair in remaining for pair in kept)
    assert end_to_end(kept) == kept


def test_values_and_text() -> None:
    headers = [(b"Link", b"a"), (b"link", b"b")]
    assert values_of(headers, b"link") == [b"a", b"b"]
    assert text_of(headers, b"link") == "a"
    assert text_of(headers, b"none") == ""


def test_forwarded_headers_are_added_where_they_are_missing() -> None:
    headers = with_forwarded([(b"Host", b"h:1")], peer="10.0.0.1", scheme="https", peer_is_trusted=True)
    assert headers == [
        (b"Host", b"h:1"),
        (b"X-Forwarded-For", b"10.0.0.1"),
        (b"X-Forwarded-Proto", b"https"),
        (b"X-Forwarded-Host", b"h:1"),
    ]


@pytest.mark.parametrize(("trusted", "proto"), [(True, [b"https"]), (False, [b"http"])])
def test_forwarded_headers_of_others_are_kept_only_when_trusted(*, trusted: bool, proto: list[bytes]) -> None:
    said = [(b"Host", b"h"), (b"x-forwarded-proto", b"https")]
    headers = with_forwarded(said, peer="10.0.0.1", scheme="http", peer_is_trusted=trusted)
    assert values_of(headers, b"x-forwarded-proto") == proto


def test_forwarded_for_is_left_out_without_a_peer() -> None:
    headers = with_forwarded(
        [(b"X-Forwarded-For", b"1.1.1.1")], peer="", scheme="http", peer_is_trusted=False
    )
    assert values_of(headers, b"x-forwarded-for") == []


def test_absolute_form_replaces_the_host() -> None:
    assert with_host([(b"A", b"1"), (b"host", b"x")], b"h") == [(b"Host", b"h"), (b"A", b"1")]


@pytest.mark.parametrize(
    ("location", "upstream", "relayed"),
    [
        (b"http://127.0.0.1:5001/v2/x?_state=%2F", UPSTREAM, b"/v2/x?_state=%2F"),
        (b"HTTPS://127.0.0.1:5001/v2/x", UPSTREAM, b"/v2/x"),
        (b"http://u:p@127.0.0.1:5001/v2/x", UPSTREAM, b"/v2/x"),
        (b"http://REGISTRY/v2/", "http://registry:80", b"/v2/"),
        (b"https://registry/v2/", "https://registry", b"/v2/"),
        (b"http://registry:5000/v2/", "http://registry", b"http://registry:5000/v2/"),
        (b"http://127.0.0.1:5002/v2/", UPSTREAM, b"http://127.0.0.1:5002/v2/"),
        (b"http://[::1]:5001/v2/", "http://[::1]:5001", b"/v2/"),
        (b"http://127.0.0.1:5001#f", UPSTREAM, b"/#f"),
        (b"http://127.0.0.1:99999/", UPSTREAM, b"http://127.0.0.1:99999/"),
        (b"/v2/x", UPSTREAM, b"/v2/x"),
        (b"", UPSTREAM, b""),
        (b"\xff\xfe", UPSTREAM, b"\xff\xfe"),
    ],
)
def test_location(location: bytes, upstream: str, relayed: bytes) -> None:
    assert relative_location(location, upstream) == relayed
    assert with_own_location([(b"LOCATION", location)], upstream) == [(b"LOCATION", relayed)]


@given(st.binary(max_size=60))
def test_any_location_is_unchanged_or_made_relative_to_the_sidecar(location: bytes) -> None:
    relayed = relative_location(location, UPSTREAM)
    assert relayed == location or (relayed.startswith(b"/") and not relayed.startswith(b"//"))
