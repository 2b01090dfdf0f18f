import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.proxy.answer_head import normalized, status_of
from sidecar.proxy.heads import end_of_head

STATUS = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("received", "end"),
    [(b"", -1), (b"a\r\n", -1), (b"a\r\n\r\nb", 5), (b"a\n\nb", 3), (b"a\r\nb: c\n\r\n", 10)],
)
def test_a_head_ends_with_its_empty_line(received: bytes, end: int) -> None:
    assert end_of_head(received, 0) == end


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", 200),
        (b"HTTP/1.0 102\n\n", 102),
        (b"HTTP/1.1 2000 OK\r\n\r\n", 0),
        (b"200 OK\r\n\r\n", 0),
        (b"", 0),
    ],
)
def test_status(head: bytes, status: int) -> None:
    assert status_of(head) == status


@pytest.mark.parametrize(
    ("lines", "taken"),
    [
        (b"A: b\r\n", b"A: b\r\n"),
        (b"A:b\nC : d\r\n", b"A: b\r\nC: d\r\n"),
        (b"A: b\r\n\t c\r\n d\r\n", b"A: b c d\r\n"),
        (b"Content-Length: 5\r\nA: b\r\ncontent-length : 5\r\n", b"Content-Length: 5\r\nA: b\r\n"),
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"Transfer-Encoding: chunked\r\n"),
    ],
)
def test_what_go_takes_is_brought_into_form(lines: bytes, taken: bytes) -> None:
    assert normalized(STATUS + lines + b"\r\n") == STATUS + taken + b"\r\n"


@pytest.mark.parametrize(
    "lines", [b"Content-Length: 5\r\nContent-Length: 6\r\n", b"Content-Length: 5, 5\r\n", b"no colon\r\n"]
)
def test_what_go_refuses_is_left_to_the_parser(lines: bytes) -> None:
    assert normalized(STATUS + lines + b"\r\n") == STATUS + lines + b"\r\n"


@given(st.lists(st.tuples(st.from_regex(rb"X-[A-Za-z]{1,5}", fullmatch=True), st.binary(max_size=20))))
def test_a_head_in_form_is_not_touched(pairs: list[tuple[bytes, bytes]]) -> None:
    lines = [
        name + b": " + value.translate(None, bytes({*range(32), 127})).strip() + b"\r\n"
        for name, value in pairs
    ]
    head = STATUS + b"".join(lines) + b"Content-Length: 7\r\n\r\n"
    assert normalized(head) == head
