"""Answers as they come off the wire, in whatever pieces."""

import asyncio
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.dispatcher.http1 import LONGEST_ANSWER_BYTES, Answer, Connection, NoAnswer


class Wire(asyncio.Transport):
    """The other end of a connection, written down."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.unsent_bytes = 0
        self.ended_by = ""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def get_write_buffer_size(self) -> int:
        return self.unsent_bytes

    def close(self) -> None:
        self.ended_by = "close"

    def abort(self) -> None:
        self.ended_by = "abort"


def connected() -> tuple[Connection, Wire]:
    connection, wire = Connection(), Wire()
    connection.connection_made(wire)
    return connection, wire


async def received(*pieces: bytes, then_lost: bool = False) -> tuple[Answer, Connection]:
    """The answer that these pieces are; raises what `exchange` raises."""
    connection, _ = connected()
    return await received_by(connection, pieces, then_lost=then_lost), connection


async def received_by(connection: Connection, pieces: Iterable[bytes], *, then_lost: bool = False) -> Answer:
    answer = Answer()
    exchange = asyncio.ensure_future(connection.exchange(b"", answer))
    await asyncio.sleep(0)
    for piece in pieces:
        connection.data_received(piece)
    if then_lost:
        connection.connection_lost(None)
    async with asyncio.timeout(1):
        await exchange
    return answer


ANSWERS = {
    "with a length": b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 5\r\n\r\nlater",
    "in chunks": b"HTTP/1.1 503 B\r\nretry-after:7\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nlat\r\n2\r\ner\r\n0\r\n\r\n",
    "after an interim one": b"HTTP/1.1 100 Continue\r\nRetry-After: 1\r\n\r\n"
    b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 5\r\n\r\nlater",
}


@pytest.mark.parametrize("raw", ANSWERS.values(), ids=list(ANSWERS))
@given(cuts=st.sets(st.integers(1, 60)))
def test_an_answer_is_the_same_however_it_is_cut(raw: bytes, cuts: set[int]) -> None:
    edges = [0, *sorted(cut for cut in cuts if cut < len(raw)), len(raw)]
    pieces = [raw[start:end] for start, end in pairwise(edges)]
    answer, connection = asyncio.run(received(*pieces))
    assert answer == Answer(status=503, retry_after="7", body=b"later")
    assert connection.is_reusable


@pytest.mark.parametrize(
    ("raw", "reusable"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
        (b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 500 No\r\n\r\n", False),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", False),
    ],
)
async def test_a_connection_is_reusable_exactly_after_a_whole_answer_that_lets_it(
    raw: bytes,
    reusable: bool,  # noqa: FBT001  # a parameter
) -> None:
    answer, connection = await received(raw)
    assert answer.status == int(raw[9:12])
    assert connection.is_reusable is reusable


async def test_an_answer_may_end_with_its_connection() -> None:
    answer, connection = await received(b"HTTP/1.1 200 OK\r\n\r\nhello", then_lost=True)
    assert (answer.status, answer.body) == (200, b"hello")
    assert not connection.is_reusable


async def test_a_long_body_is_not_read_to_its_end() -> None:
    answer, connection = await received(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (LONGEST_ANSWER_BYTES + 1))
    assert len(answer.body) == LONGEST_ANSWER_BYTES
    assert not connection.is_reusable


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("beginning", [b"0\r\nX: ", b"1;"], ids=["trailer", "extension of a chunk"])
async def test_what_frames_a_body_is_not_read_to_its_end(beginning: bytes) -> None:
    answer, connection = await received(CHUNKED, beginning, *[b"x" * 65_536] * 5)
    assert answer == Answer(status=200)
    assert not connection.is_reusable


async def test_a_connection_with_something_unsent_is_not_used_again() -> None:
    connection, wire = connected()
    wire.unsent_bytes = 1
    assert await received_by(connection, [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]) == Answer(
        status=200
    )
    assert not connection.is_reusable
    connection.close()
    assert wire.ended_by == "abort"


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n" * 3000,
        b"HTTP/9 200 OK\r\n\r\n",
        b"HTTP/1.1\t200 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b" HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\nodd\r\n\r\n<html>",
        b"\x16\x03\x01",
    ],
    ids=range(8),
)
async def test_what_is_no_answer_is_said(raw: bytes) -> None:
    with pytest.raises(NoAnswer, match="not valid HTTP"):
        await received(raw)


async def test_a_connection_that_is_lost_is_said() -> None:
    with pytest.raises(NoAnswer, match="closed before"):
        await received(b"HTTP/1.1 200 OK", then_lost=True)


@pytest.mark.parametrize(
    "pieces",
    [
        (b"HTTP/1.1 503 Busy\r\n",),
        (b"HTTP/1.1 503 Busy\n", b"X"),
        (b"HTTP/1.1 100 Continue\nodd\n\n", b"HTTP/1.1 503 Busy\n"),
        (b"HTTP/1.1 503 Busy\r\nX : y\r\n", b"Content-Length: 9"),
        (b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n", b"zz\r\n"),
    ],
)
async def test_a_connection_that_is_lost_behind_the_status_line_has_answered(pieces: list[bytes]) -> None:
    answer, connection = await received(*pieces, then_lost=True)
    assert answer == Answer(status=503)
    assert not connection.is_reusable


@pytest.mark.parametrize("header", [b"X: " + b"x" * 70_000, b"X: y\r\n" * 30_000, b"odd\n" * 30_000])
async def test_of_a_head_without_end_the_beginning_is_read(header: bytes) -> None:
    answer, connection = await received(b"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\n", header)
    assert answer == Answer(status=429, retry_after="7")
    assert not connection.is_reusable


async def test_one_who_stops_waiting_within_the_head_has_the_status() -> None:
    connection, _ = connected()
    answer = Answer()
    exchange = asyncio.ensure_future(connection.exchange(b"POST", answer))
    await asyncio.sleep(0)
    connection.data_received(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    exchange.cancel()
    await asyncio.gather(exchange, return_exceptions=True)
    assert answer == Answer(status=200)


async def test_switching_protocols_unasked_ends_the_use_of_a_connection() -> None:
    answer, connection = await received(b"HTTP/1.1 101 X\r\n\r\n")
    assert (answer.status, connection.is_reusable) == (101, False)


async def test_two_requests_one_after_the_other() -> None:
    connection, wire = connected()
    for status in (200, 500):
        answer = await received_by(connection, [b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status])
        assert answer == Answer(status=status)
        assert connection.is_reusable
    assert not wire.ended_by


async def test_what_comes_unasked_ends_the_connection() -> None:
    connection, wire = connected()
    await received_by(connection, [b"HTTP/1.1 204 X\r\n\r\n"])
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert wire.ended_by
    assert not connection.is_reusable


async def test_one_who_stops_waiting_has_what_came_until_then() -> None:
    connection, wire = connected()
    answer = Answer()
    exchange = asyncio.ensure_future(connection.exchange(b"POST", answer))
    await asyncio.sleep(0)
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel")
    exchange.cancel()
    await asyncio.gather(exchange, return_exceptions=True)
    connection.data_received(b"lo")
    assert answer == Answer(status=200, body=b"hel")
    assert wire.written == b"POST"
    assert wire.ended_by == "abort"


@pytest.mark.parametrize("status", [200, 204, 407, 502])
async def test_a_tunnel_opens_with_2xx_alone(status: int) -> None:
    connection, _ = connected()
    opening = asyncio.ensure_future(connection.open_tunnel(b"CONNECT h:443 HTTP/1.1\r\n\r\n"))
    await asyncio.sleep(0)
    connection.data_received(b"HTTP/1.1 %d X\r\n\r\n" % status)
    if status < 300:
        await opening
    else:
        with pytest.raises(NoAnswer, match=f"the proxy answered {status}"):
            await opening
