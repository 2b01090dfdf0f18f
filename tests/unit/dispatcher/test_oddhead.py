"""Heads that are not quite HTTP, as curl and Go's client read them."""

import asyncio
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.dispatcher.http1 import Answer
from sidecar.dispatcher.oddhead import may_have_ended, read_head, rewritten
from tests.unit.dispatcher.test_http1 import received

RETRY = b"Retry-After: 7\r\n"
BUSY = b"HTTP/1.1 503 Busy\r\n"
LENGTH = b"Content-Length: 5\r\n\r\nlater"
CHUNKS = b"5\r\nlater\r\n0\r\n\r\n"

#: tests/wire asks curl what it makes of these; Go's client takes most of them, too.
ODD = {
    "lines end with LF": b"HTTP/1.1 503 Busy\nRetry-After: 7\nContent-Length: 5\n\nlater",
    "some lines end with LF": b"HTTP/1.1 503 Busy\r\nRetry-After: 7\nContent-Length: 5\r\n\nlater",
    "lines end with CR CR LF": BUSY + b"Retry-After: 7\r\r\nContent-Length: 5\r\r\n\r\r\nlater",
    "length before chunks": BUSY
    + RETRY
    + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
    + CHUNKS,
    "length after chunks": BUSY + RETRY + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n" + CHUNKS,
    "two equal lengths": BUSY + RETRY + b"Content-Length: 5\r\n" + LENGTH,
    "a list of lengths": BUSY + RETRY + b"Content-Length: 5, 5\r\n\r\nlater",
    "two lengths": BUSY + RETRY + b"Content-Length: 9\r\n" + LENGTH,
    "length with a sign": BUSY + RETRY + b"Content-Length: +5\r\n\r\nlater",
    "length that is no number": BUSY + RETRY + b"Content-Length: x\r\n\r\nlater",
    "length without end": BUSY + RETRY + b"Content-Length: " + b"9" * 40 + b"\r\n\r\nlater",
    "empty length": BUSY + RETRY + b"Content-Length:\r\n\r\nlater",
    "folded header": BUSY + b"X: a\r\n b\r\n" + RETRY + LENGTH,
    "folded value": BUSY + b"Retry-After:\r\n\t7\r\n" + LENGTH,
    "folded first line": BUSY + b" X: a\r\n" + RETRY + LENGTH,
    "blank before a colon": BUSY + b"Retry-After : 7\r\nContent-Length : 5\r\n\r\nlater",
    "CR within a line": BUSY + b"X: a\rY: b\r\n" + RETRY + LENGTH,
    "no colon": BUSY + b"bad header\r\n" + RETRY + LENGTH,
    "no name": BUSY + b": x\r\n" + RETRY + LENGTH,
    "garbage": BUSY + b"\xff\xfe(@): \x01\x02\r\n" + RETRY + LENGTH,
    "a name beyond ASCII": BUSY + "X-é: é\r\n".encode() + RETRY + LENGTH,
    "NUL": BUSY + b"X: a\0b\r\n" + RETRY + LENGTH,
    "control characters": BUSY + b"X: \x7f\x0b\x0c\r\n" + RETRY + LENGTH,
    "HTTP/1.2": b"HTTP/1.2 503 Busy\r\n" + RETRY + LENGTH,
    "HTTP/2": b"HTTP/2 503 Busy\r\n" + RETRY + LENGTH,
    "small letters": b"http/1.1 503 busy\r\n" + RETRY + LENGTH,
    "two blanks": b"HTTP/1.1  503 Busy\r\n" + RETRY + LENGTH,
    "no blank": b"HTTP/1.1 503Busy\r\n" + RETRY + LENGTH,
    "interim with LF": b"HTTP/1.1 100 Continue\nRetry-After: 1\n\n" + BUSY + RETRY + LENGTH,
    "odd after interim": b"HTTP/1.1 102 P\r\nRetry-After: 1\r\n\r\n" + BUSY + b"odd\r\n" + RETRY + LENGTH,
    "odd interim": b"HTTP/1.1 103 Early\r\nodd\r\n\r\n" + BUSY + RETRY + LENGTH,
}


@pytest.mark.parametrize("raw", ODD.values(), ids=list(ODD))
async def test_the_status_line_is_the_answer_whatever_is_odd_behind_it(raw: bytes) -> None:
    answer, connection = await received(raw)
    assert answer == Answer(status=503, retry_after="7", body=b"later")
    assert not connection.is_reusable


@pytest.mark.parametrize("raw", ODD.values(), ids=list(ODD))
@given(cuts=st.sets(st.integers(1, 120)))
def test_an_odd_answer_has_the_same_status_however_it_is_cut(raw: bytes, cuts: set[int]) -> None:
    edges = [0, *sorted(cut for cut in cuts if cut < len(raw)), len(raw)]
    answer, connection = asyncio.run(received(*[raw[start:end] for start, end in pairwise(edges)]))
    assert (answer.status, answer.retry_after) == (503, "7")
    assert b"later".startswith(answer.body)
    assert not connection.is_reusable


@pytest.mark.parametrize(
    "line",
    [
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 ",
        b"HTTP/1.1 200 Tr\xe8s bien",
        b"HTTP/1.0 200 O\0K",
        b"HTTP/1.1 200\tOK",
    ],
)
async def test_a_reason_may_be_missing_or_anything(line: bytes) -> None:
    answer, _ = await received(line + b"\r\nContent-Length: 2\r\n\r\nhi")
    assert answer == Answer(status=200, body=b"hi")


async def test_what_is_odd_about_a_compressed_answer_hides_it_not() -> None:
    answer, _ = await received(b"HTTP/1.1 200 OK\nContent-Encoding : gzip\nContent-Length: 2\n\nhi")
    assert answer == Answer(status=200, body=b"hi", is_encoded=True)


@given(
    st.binary(max_size=300).map(lambda rest: BUSY + rest)
    | st.lists(st.sampled_from([BUSY, b"\n", b"\r\n", b" ", b"x", b":", b"HTTP/1.1 100 \n\n", b"\0"])).map(
        b"".join
    )
)
def test_what_is_rewritten_is_a_head_of_the_same_status(raw: bytes) -> None:
    head = read_head(raw)
    assert raw.endswith(head.begins)
    if head.status:
        again = read_head(rewritten(head))
        assert (again.status, again.rest) == (head.status, b"")
        assert re.fullmatch(rb"(?:[ -~]+\r\n)+\r\n", rewritten(head))


async def test_a_head_that_comes_byte_by_byte_is_not_read_as_often() -> None:
    raw = BUSY + b"odd\n" * 10_000
    reads = sum(may_have_ended(raw[:end], 1) for end in range(1, len(raw)))
    assert reads < 300
