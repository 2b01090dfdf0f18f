"""By which name an event is known to those who ask the upstream's log."""

import pytest

from tests.support.raw_upstream import RawUpstream
from tests.wire.conftest import Noted, StartProxy
from tests.wire.test_order import CREATED, PUT, taking_manifests

NAMED = CREATED.replace(b"Content-Length", b"x-request-id: up-1\r\nContent-Length")
UNNAMED_PUT = PUT.replace(b"X-Request-Id: r1\r\n", b"")


@pytest.mark.parametrize(
    ("put", "answer", "name"),
    [
        (PUT, NAMED, "r1"),
        (UNNAMED_PUT, NAMED, "up-1"),
        (UNNAMED_PUT, NAMED.replace(b"up-1", b"u" * 1000), "u" * 128),
        (UNNAMED_PUT, CREATED, ""),
    ],
    ids=["the client's", "the answer's", "a long one", "none"],
)
async def test_a_request_is_named_by_its_client_or_else_by_its_answer(
    start_proxy: StartProxy, noted: Noted, put: bytes, answer: bytes, name: str
) -> None:
    async with RawUpstream(taking_manifests(answer)) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        await client.send(put)
        await client.read_head()
    (exchange,) = noted.exchanges
    assert exchange.request_id == name
