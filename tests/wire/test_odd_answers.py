"""Receivers that do not quite speak HTTP: what curl takes for an answer is one, and is sent once."""

import asyncio
import re
from pathlib import Path

import pytest

from tests.support.process import require_program
from tests.unit.dispatcher.test_oddhead import ODD
from tests.wire.delivery_bench import SHORT, a_bench, a_delivery, running
from tests.wire.delivery_raw_targets import a_raw_target, answers, drips
from tests.wire.test_delivery_answers import attempt_at

HEAD = b"HTTP/1.1 200 OK\r\n"
ACCEPTED = {name: re.sub(rb"(?i)503 ?busy", b"200 OK", raw) for name, raw in ODD.items()} | {
    "header of 100 kB": HEAD + b"X: " + b"x" * 100_000 + b"\r\nContent-Length: 0\r\n\r\n",
    "head that breaks off": HEAD + b"X: y",
    "body that breaks off": HEAD + b"Content-Length: 20\r\n\r\nhi",
    "chunks that are none": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhi\r\n",
}
#: Go's client takes the version; what is odd in an interim answer neither takes.
NOT_OF_CURL = {"HTTP/1.2", "odd interim"}


@pytest.mark.parametrize("raw", ACCEPTED.values(), ids=list(ACCEPTED))
async def test_an_odd_2xx_is_delivered_and_sent_once(tmp_path: Path, raw: bytes) -> None:
    async with (
        a_raw_target(answers(raw, then_close=True)) as target,
        a_bench(tmp_path) as bench,
        running(bench, SHORT),
    ):
        key = bench.add_target(target.url)
        for _ in range(2):
            await bench.store(a_delivery(key))
        await bench.until_counted(delivered=2)
        assert len(target.requests) == target.connections == 2
        assert await bench.rows("status, error", "attempts") == [(200, "")] * 2


@pytest.mark.parametrize("name", sorted(ACCEPTED.keys() - NOT_OF_CURL))
async def test_curl_takes_the_same_status(name: str) -> None:
    program = require_program("curl")
    async with a_raw_target(answers(ACCEPTED[name], then_close=True)) as target:
        asked = ("--silent", "--max-time", "5", "--data", "{}", "--write-out", " %{http_code}", target.url)
        curl = await asyncio.create_subprocess_exec(program, *asked, stdout=asyncio.subprocess.PIPE)
        said, _ = await curl.communicate()
    assert said.split()[-1] == b"200"


async def test_a_head_that_never_ends_is_answered_all_the_same(tmp_path: Path) -> None:
    attempt = await attempt_at(tmp_path, drips(HEAD + b"X-Slow: "))
    assert (attempt["status"], attempt["excerpt"]) == (200, "")


async def test_retry_after_is_read_of_an_odd_head(tmp_path: Path) -> None:
    busy = b"HTTP/1.1 503 Busy\nRetry-After : 7\nContent-Length : 2\n\nno"
    async with a_raw_target(answers(busy)) as target, a_bench(tmp_path) as bench, running(bench, SHORT):
        await bench.store(a_delivery(bench.add_target(target.url)))
        while not (found := await bench.rows("status, retry_after_s, excerpt", "attempts")):
            await asyncio.sleep(0.01)
    assert found == [(503, 7.0, "no")]
