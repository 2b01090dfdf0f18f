"""The upstream is not there, or leaves: the client is told, and can see that an answer is cut short."""

import asyncio
import json

import pytest

from sidecar.model.exchange import Outcome
from tests.support.process import free_port
from tests.support.raw_upstream import RawConnection, RawUpstream
from tests.wire.conftest import Noted, StartProxy


async def test_unreachable_registry_is_a_bad_gateway_in_registry_words(
    start_proxy: StartProxy, noted: Noted
) -> None:
    proxy = await start_proxy(f"http://127.0.0.1:{free_port()}")
    answer = await proxy.ask(b"GET /v2/prj/app/manifests/v1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: application/json; charset=utf-8\r\n")
    assert json.loads(body)["errors"][0]["code"] == "UNAVAILABLE"
    assert noted.exchanges == []


async def test_unreachable_registry_answers_head_without_a_body(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(f"http://127.0.0.1:{free_port()}")
    answer = await proxy.ask(b"HEAD /v2/ HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert answer.endswith(b"\r\n\r\n")


async def test_unreachable_chart_repository_is_a_bad_gateway_in_its_words(start_proxy: StartProxy) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    proxy = await start_proxy(nowhere, chart_repository_url=nowhere)
    answer = await proxy.ask(b"GET /index.yaml HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {"error": "upstream does not answer"}


PUT = b"PUT /v2/prj/app/manifests/v1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"


async def test_intent_is_closed_when_nothing_was_sent(start_proxy: StartProxy, noted: Noted) -> None:
    proxy = await start_proxy(f"http://127.0.0.1:{free_port()}")
    assert (await proxy.ask(PUT)).startswith(b"HTTP/1.1 502 ")
    (exchange,) = noted.exchanges
    assert (exchange.status, exchange.outcome) == (502, Outcome.UPSTREAM_FAILED)


@pytest.mark.parametrize("reset", [False, True])
async def test_intent_stays_open_when_the_upstream_may_have_acted(
    start_proxy: StartProxy, noted: Noted, *, reset: bool
) -> None:
    async def script(connection: RawConnection) -> None:
        await connection.read_head()
        await connection.read(2)
        if reset:
            connection.reset()

    async with RawUpstream(script) as upstream:
        proxy = await start_proxy(upstream.url)
        assert (await proxy.ask(PUT)).startswith(b"HTTP/1.1 502 ")
    (exchange,) = noted.exchanges
    assert (exchange.id, exchange.status) == (noted.intents[0].id, 0)
    assert exchange.outcome is Outcome.UPSTREAM_FAILED


@pytest.mark.parametrize(
    "begun",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc",
    ],
)
@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
@pytest.mark.parametrize("reset", [False, True])
async def test_truncated_answer_looks_truncated(
    start_proxy: StartProxy, noted: Noted, begun: bytes, version: bytes, *, reset: bool
) -> None:
    async def script(connection: RawConnection) -> None:
        await connection.read_head()
        await connection.send(begun)
        await asyncio.sleep(0.1)
        if reset:
            connection.reset()

    async with RawUpstream(script) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        await client.send(b"GET /v2/prj/app/manifests/v1 HTTP/" + version + b"\r\nHost: h\r\n\r\n")
        await client.read_head()
        if version == b"1.0":
            # Such a client takes an orderly end of the connection for the end of the answer.
            with pytest.raises(ConnectionResetError):
                await client.read(1000)
        else:
            assert b"abc" in await client.read_until_closed()
        assert not client.received.endswith(b"0\r\n\r\n")
        (exchange,) = await noted.recorded()
    assert exchange.outcome is Outcome.UPSTREAM_FAILED


async def test_truncated_refusal_of_a_write_is_recorded_and_looks_truncated(
    start_proxy: StartProxy, noted: Noted
) -> None:
    async def script(connection: RawConnection) -> None:
        await connection.read_head()
        await connection.read(2)
        await connection.send(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 100\r\n\r\nabc")

    async with RawUpstream(script) as upstream:
        proxy = await start_proxy(upstream.url)
        answer = await proxy.ask(PUT)
    assert len(answer.partition(b"\r\n\r\n")[2]) < 100
    (exchange,) = noted.exchanges
    assert (exchange.status, exchange.outcome) == (500, Outcome.UPSTREAM_FAILED)


async def test_gibberish_is_a_bad_gateway(start_proxy: StartProxy) -> None:
    async def script(connection: RawConnection) -> None:
        await connection.read_head()
        await connection.send(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")

    async with RawUpstream(script) as upstream:
        proxy = await start_proxy(upstream.url)
        answer = await proxy.ask(b"GET /v2/ HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 502 ")
