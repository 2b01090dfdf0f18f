"""What the parser gets of a connection; tests/wire has the rest, on sockets."""

import asyncio

import pytest
from aiohttp import ServerDisconnectedError
from aiohttp.http_exceptions import HttpProcessingError

from sidecar.proxy.hearing import LARGEST_HEADS_BYTES, MOST_INFORMATIONAL, Hearing

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def listening() -> Hearing:
    connection = Hearing(asyncio.get_running_loop())
    begin(connection)
    return connection


def begin(connection: Hearing) -> None:
    size = LARGEST_HEADS_BYTES
    connection.set_response_params(max_line_size=size, max_field_size=size, auto_decompress=False)


async def test_each_request_on_a_connection_has_its_own_bounds() -> None:
    connection = listening()
    for _ in range(3):
        connection.data_received(CONTINUE * MOST_INFORMATIONAL + OK)
        for _ in range(MOST_INFORMATIONAL):
            assert (await connection.read())[0].code == 100
        message, body = await connection.read()
        assert (message.code, await body.read()) == (200, b"ok")
        begin(connection)


async def test_one_informational_answer_too_many_ends_the_connection() -> None:
    connection = listening()
    connection.data_received(CONTINUE * (MOST_INFORMATIONAL + 1) + OK)
    for _ in range(MOST_INFORMATIONAL + 1):
        await connection.read()
    with pytest.raises(HttpProcessingError):
        await connection.read()


async def test_a_head_that_is_cut_off_is_told_from_no_answer_at_all() -> None:
    said: list[object] = []
    for received in (b"", b"HTTP/1.1 200 OK\r\nX-"):
        connection = listening()
        connection.data_received(received)
        connection.connection_lost(None)
        with pytest.raises(ServerDisconnectedError) as caught:
            await connection.read()
        said.append(isinstance(caught.value.message, str))
    assert said == [True, False]


async def test_what_follows_an_answer_to_head_is_no_part_of_it() -> None:
    connection = Hearing(asyncio.get_running_loop())
    connection.set_response_params(skip_payload=True)
    connection.data_received(OK)
    connection.data_received(b"HTTP/1.1 200 OK\r\n\r\n")
    message, _ = await connection.read()
    assert message.code == 200
    assert len(connection) == 0
