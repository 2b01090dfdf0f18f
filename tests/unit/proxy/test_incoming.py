import asyncio
import itertools

from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.client_limits import ClientLimits
from sidecar.proxy.arrival import ClientRequest
from sidecar.proxy.budget import Budget
from sidecar.proxy.connection import ClientConnection
from sidecar.proxy.server import Server

HEAD = b"PUT /%d HTTP/1.1\r\nHost: h\r\n"
STREAM = b"".join(
    HEAD % number + body
    for number, body in enumerate(
        (
            b"\r\n",
            b"Content-Length: 3\r\n\r\nabc",
            b"Content-Length: 0\r\n\r\n",
            b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nTrailer: x\r\n\r\n",
            b"Folded: a\r\n b\r\n\r\n",
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"\r\n",
        )
    )
)


async def _never(request: ClientRequest) -> web.StreamResponse:
    raise AssertionError(f"nobody runs the handler here: {request}")


async def _drained(limit_s: float) -> None:
    await asyncio.sleep(limit_s)


def a_connection(budget: Budget) -> ClientConnection:
    """One that was never connected: requests wait in it."""
    server = Server(_never, _drained, budget=budget, limits=ClientLimits)
    return server()


async def requests_of(pieces: list[bytes], budget: Budget) -> list[tuple[str, bytes]]:
    """Paths and bodies of what came."""
    connection = a_connection(budget)
    for piece in pieces:
        connection.data_received(piece)
    found = []
    for message, payload in tuple(connection._messages):  # nothing else shows them
        assert not hasattr(message, "exc")
        found.append((message.path, await payload.read()))
    connection.connection_lost(None)
    return found


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_requests_are_the_same_wherever_the_stream_is_cut(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[begin:end] for begin, end in itertools.pairwise(edges)]
    budget = Budget()
    found = asyncio.run(requests_of(pieces, budget))
    bodies = [b"", b"abc", b"", b"abc", b"", b"", b""]
    assert found == [(f"/{number}", body) for number, body in enumerate(bodies)]
    assert budget.taken_bytes == 0


async def test_requests_that_wait_are_held_and_the_rest_is_not_read() -> None:
    budget = Budget()
    connection = a_connection(budget)
    connection.data_received((HEAD % 1 + b"\r\n") * 100)
    waiting = len(connection._messages)
    assert 0 < waiting < 100
    assert budget.taken_bytes > waiting * 1024
    connection.connection_lost(None)
    assert budget.taken_bytes == 0
