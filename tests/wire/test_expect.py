"""Expect: 100-continue is the upstream's to answer; other informational answers pass."""

import asyncio

import pytest

from sidecar.proxy import relay
from tests.support.raw_upstream import RawConnection, RawUpstream
from tests.wire.conftest import Noted, StartProxy

HEAD = b"PATCH /v2/prj/app/blobs/uploads/x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CREATED = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"


async def test_client_may_send_only_once_the_upstream_says_so(start_proxy: StartProxy) -> None:
    may_continue = asyncio.Event()

    async def script(connection: RawConnection) -> None:
        await connection.read_head()
        await may_continue.wait()
        await connection.send(CONTINUE)
        await connection.read(5)
        await connection.send(CREATED)

    async with RawUpstream(script) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        await client.send(HEAD)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await client.read(1)
        may_continue.set()
        assert await client.read_head() == CONTINUE
        await client.send(b"hello")
        assert await client.read_head() == CREATED
        assert b"\r\nExpect: 100-continue\r\n" in upstream.received
        assert upstream.received.endswith(b"\r\n\r\nhello")
        client.close()


async def test_refusal_instead_of_100_spares_the_body(start_proxy: StartProxy) -> None:
    answer = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n"

    async def script(connection: RawConnection) -> None:
        await connection.read_head()
        await connection.send(answer + b"\r\nno")
        await connection.read_until_closed()

    async with RawUpstream(script) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        await client.send(HEAD)
        assert await client.read_head() == answer + b"Connection: close\r\n\r\n"
        assert await client.read(2) == b"no"
        client.close()
        await asyncio.sleep(0.1)
        assert upstream.received.endswith(b"\r\n\r\n")


async def test_upstream_that_does_not_know_expect_gets_the_body_after_a_while(
    start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "_CONTINUE_WAIT_S", 0.1)

    async def script(connection: RawConnection) -> None:
        await connection.read_head()
        await connection.read(5)
        await connection.send(CREATED)

    async with RawUpstream(script) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        await client.send(HEAD)
        assert await client.read_head() == CONTINUE
        await client.send(b"hello")
        assert await client.read_head() == CREATED
        client.close()


async def test_manifest_is_asked_for_at_once_because_it_is_noted_first(
    start_proxy: StartProxy, noted: Noted
) -> None:
    async def script(connection: RawConnection) -> None:
        head = await connection.read_head()
        assert b"Expect" not in head
        assert noted.intents
        await connection.read(5)
        await connection.send(CREATED)

    async with RawUpstream(script) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        await client.send(HEAD.replace(b"PATCH /v2/prj/app/blobs/uploads/x", b"PUT /v2/prj/app/manifests/v1"))
        assert await client.read_head() == CONTINUE
        await client.send(b"hello")
        assert await client.read_head() == CREATED
        client.close()


async def test_http10_client_is_not_told_to_continue(start_proxy: StartProxy) -> None:
    async def script(connection: RawConnection) -> None:
        await connection.read_head()
        await connection.read(5)
        await connection.send(CREATED)

    async with RawUpstream(script) as upstream:
        proxy = await start_proxy(upstream.url)
        answer = await proxy.ask(HEAD.replace(b"HTTP/1.1", b"HTTP/1.0") + b"hello")
    assert answer.startswith(b"HTTP/1.0 201 Created\r\n")


async def test_early_hints_pass_before_the_answer(start_proxy: StartProxy) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nLink: </b>\r\n\r\n"
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    async def script(connection: RawConnection) -> None:
        await connection.read_head()
        await connection.send(hints + CONTINUE + hints + answer)

    async with RawUpstream(script) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        await client.send(b"GET /v2/ HTTP/1.1\r\nHost: h\r\n\r\n")
        assert await client.read(len(hints + hints + answer)) == hints + hints + answer
        client.close()


async def test_switching_protocols_unasked_is_a_bad_gateway(start_proxy: StartProxy) -> None:
    async def script(connection: RawConnection) -> None:
        head = await connection.read_head()
        assert b"pgrade" not in head
        await connection.send(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
        )

    async with RawUpstream(script) as upstream:
        proxy = await start_proxy(upstream.url)
        request = b"GET /v2/ HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n"
        assert (await proxy.ask(request)).startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
