"""Statuses are those that Go's net/http answered to the same bytes, in distribution 3.0 and 2.8."""

import pytest
from aiohttp.http import HttpVersion10, HttpVersion11
from hypothesis import given
from hypothesis import strategies as st

from sidecar.proxy.heads import (
    LARGEST_HEAD_BYTES,
    LONGEST_LINE_BYTES,
    MOST_HEADERS,
    HeadRefused,
    end_of_head,
    parse_head,
    too_large,
)

HOST = b"Host: h\r\n"


def get(*headers: bytes, line: bytes = b"GET /v2/ HTTP/1.1") -> bytes:
    return b"".join((line, b"\r\n", HOST, *(header + b"\r\n" for header in headers), b"\r\n"))


def status_of(raw: bytes) -> int:
    with pytest.raises(HeadRefused) as refused:
        parse_head(raw)
    return refused.value.status


def test_head_is_read_as_it_was_written() -> None:
    head = parse_head(get(b"X-a:  b c\t", b"x-A: Jos\xe9", b"Empty:"))
    assert (head.method, head.target, head.version) == ("GET", "/v2/", HttpVersion11)
    assert head.headers == ((b"Host", b"h"), (b"X-a", b"b c"), (b"x-A", b"Jos\xe9"), (b"Empty", b""))
    assert (head.length, head.is_chunked, head.keep_alive) == (None, False, True)


def test_lines_may_end_without_a_carriage_return() -> None:
    assert parse_head(get(b"A: b").replace(b"\r", b"")).headers == ((b"Host", b"h"), (b"A", b"b"))


def test_value_that_is_folded_is_one_value() -> None:
    assert parse_head(get(b"X: a\r\n  b\r\n\tc")).headers[1] == (b"X", b"a b c")


def test_length_that_is_folded_is_the_length_that_is_framed() -> None:
    assert parse_head(get(b"Content-Length:\r\n 7")).length == 7


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"CONNECT h:80 HTTP/1.1", 405),
        (b"CONNECT /v2/ HTTP/1.1", 405),
        (b"PRI * HTTP/2.0", 505),
        (b"GET /v2/ HTTP/2.0", 505),
        (b"GET /v2/ HTTP/0.9", 505),
        (b"GET /v2/ HTTP/3.0", 505),
        (b"GET /v2/ HTTP/1", 400),
        (b"GET /v2/ http/1.1", 400),
        (b"GET /v2/", 400),
        (b"GET  /v2/ HTTP/1.1", 400),
        (b"GET /v2/  HTTP/1.1", 400),
        (b"GET /v2/a b HTTP/1.1", 400),
        (b"GET /v2/\x01 HTTP/1.1", 400),
        (b"G@T /v2/ HTTP/1.1", 400),
        (b"GET v2/ HTTP/1.1", 400),
        (b"GET ftp://h/v2/ HTTP/1.1", 400),
        (b"", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00", 400),
        (b"GET /" + b"x" * LONGEST_LINE_BYTES + b" HTTP/1.1", 414),
    ],
)
def test_request_line_that_is_not_served(line: bytes, status: int) -> None:
    assert status_of(get(line=line)) == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([b"Transfer-Encoding: gzip, chunked"], 501),
        ([b"Transfer-Encoding: identity"], 501),
        ([b"Transfer-Encoding: xchunked"], 501),
        ([b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"], 501),
        ([b"Transfer-Encoding: chunked", b"Content-Length: 5"], 400),
        ([b"Content-Length: 1", b"Content-Length: 2"], 400),
        ([b"Content-Length: 1, 1"], 400),
        ([b"Content-Length: +1"], 400),
        ([b"Content-Length: -1"], 400),
        ([b"Content-Length: 0x1"], 400),
        ([b"Content-Length:"], 400),
        ([b"Content-Length: " + b"9" * 30], 400),
        ([b"Host: h"], 400),
        ([b"X : a"], 400),
        ([b"X\xc3\xa9: a"], 400),
        ([b"X(: a"], 400),
        ([b": a"], 400),
        ([b"Xa"], 400),
        ([b"Accept"], 400),
        ([b"X: a\x00b"], 400),
        ([b"X: a\x01b"], 400),
        ([b"X: a\x7fb"], 400),
        ([b"X: a\rb"], 400),
        ([b"A: b"] * (MOST_HEADERS + 1), 431),
        ([b"A: " + b"b" * LARGEST_HEAD_BYTES], 431),
    ],
)
def test_headers_that_are_not_served(headers: list[bytes], status: int) -> None:
    assert status_of(get(*headers)) == status


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n X: a\r\nHost: h\r\n\r\n", 400),
        (b"PATCH / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ],
)
def test_hosts_and_frames_that_are_not_served(raw: bytes, status: int) -> None:
    assert status_of(raw) == status


@pytest.mark.parametrize(
    "headers",
    [
        [b"X: " + b"x" * 1_040_000],
        [b"Cookie: " + b"x" * 40_000, b"Authorization: Bearer " + b"x" * 33_000],
        [b"X-A: b"] * 4000,
        [b"User-Agent: a", b"User-Agent: b"],
        [b"Content-Type: a", b"Content-Type: b"],
        [b"Upgrade: h2c"],
    ],
)
def test_headers_that_registries_serve_are_served(headers: list[bytes]) -> None:
    assert len(parse_head(get(*headers)).headers) == len(headers) + 1


def test_no_host_is_needed_before_http_1_1() -> None:
    head = parse_head(b"GET / HTTP/1.0\r\n\r\n")
    assert (head.version, head.keep_alive) == (HttpVersion10, False)
    assert parse_head(b"GET / HTTP/1.0\r\nConnection: x, Keep-Alive\r\n\r\n").keep_alive
    assert not parse_head(get(b"Connection: x, Close")).keep_alive


def test_later_minor_versions_are_read_as_1_1() -> None:
    assert parse_head(get(line=b"GET / HTTP/1.9")).version == HttpVersion11


def test_equal_lengths_are_one() -> None:
    head = parse_head(get(b"Content-Length: 5", b"A: b", b"content-length: 5"))
    assert head.length == 5
    assert head.headers == ((b"Host", b"h"), (b"Content-Length", b"5"), (b"A", b"b"))


def test_fragment_and_bytes_beyond_ascii_are_part_of_the_target() -> None:
    head = parse_head(get(line=b"GET /v2/caf\xc3\xa9#x?a=\xe9#b HTTP/1.1"))
    assert head.target == "/v2/caf%C3%A9%23x?a=%E9%23b"


@pytest.mark.parametrize("raw", [b"a\r\n\r\nb", b"a\n\nb", b"a\n\r\nb", b"a\r\n\nb"])
def test_head_ends_with_an_empty_line(raw: bytes) -> None:
    assert raw[end_of_head(raw) :] == b"b"
    assert end_of_head(raw[: end_of_head(raw) - 1]) == -1


def test_head_without_an_end_is_too_large_or_its_line_too_long() -> None:
    assert too_large(b"GET /" + b"x" * LARGEST_HEAD_BYTES).status == 414
    assert too_large(b"GET / HTTP/1.1\r\nX: " + b"x" * LARGEST_HEAD_BYTES).status == 431


@given(st.binary(max_size=200), st.binary(max_size=50))
def test_whatever_comes_is_read_or_refused_without_repeating_it(junk: bytes, value: bytes) -> None:
    for raw in (junk + b"\r\n\r\n", get(b"X: " + value + b"s3cr3t"), get(value + b"s3cr3t: a")):
        assert "s3cr3t" not in said_of(raw)


def said_of(raw: bytes) -> str:
    """Why a head was refused; "" when it was read."""
    try:
        head = parse_head(raw)
    except HeadRefused as refused:
        return refused.message
    assert head.target.isascii()
    return ""
