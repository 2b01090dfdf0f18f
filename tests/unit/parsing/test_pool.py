"""Who waits, what is ended, what is replaced. The processes are real."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psutil

from sidecar.parsing.pool import ParserLimits, ParserPool, Reading
from tests.unit.charts.test_index import DIGEST, INDEX

BY_DIGEST = {"digests": [DIGEST]}
#: Takes much longer than the limits below allow.
ENDLESS = b"[" + b"{}," * 4_000_000 + b"1]"


@asynccontextmanager
async def a_pool(
    readings: list[tuple[str, Reading]] | None = None, **limits: Any
) -> AsyncIterator[ParserPool]:
    noted = [] if readings is None else readings
    pool = ParserPool(ParserLimits(**limits), on_read=lambda *reading: noted.append(reading))
    try:
        yield pool
    finally:
        await pool.close()


def children() -> list[psutil.Process]:
    return [found for found in psutil.Process().children() if "sidecar.parsing" in found.cmdline()]


async def test_a_payload_is_read_whole_or_in_pieces() -> None:
    async with a_pool() as pool:
        whole = await pool.run("chart-index", INDEX, BY_DIGEST)
        pieces = await pool.run("chart-index", [INDEX[:10], b"", INDEX[10:]], BY_DIGEST)
    assert whole == pieces
    assert whole
    assert whole["found"]["version"] == "1000"


async def test_one_process_serves_one_job_after_the_other_and_ends_with_the_pool() -> None:
    async with a_pool() as pool:
        await pool.run("chart-index", INDEX, BY_DIGEST)
        before = [found.pid for found in children()]
        await pool.run("chart-index", INDEX, BY_DIGEST)
        assert [found.pid for found in children()] == before
        assert len(before) == 1
    assert children() == []


async def test_what_is_not_understood_is_no_answer_and_costs_no_process() -> None:
    readings: list[tuple[str, Reading]] = []
    async with a_pool(readings) as pool:
        assert await pool.run("chart-index", b"no json", BY_DIGEST) is None
        pid = children()[0].pid
        assert await pool.run("chart-index", INDEX, BY_DIGEST)
        assert children()[0].pid == pid
    assert readings == [("chart-index", Reading.NOT_UNDERSTOOD), ("chart-index", Reading.READ)]


async def test_what_takes_too_long_is_ended_and_the_next_is_read() -> None:
    readings: list[tuple[str, Reading]] = []
    async with a_pool(readings, processes=1, cpu_s=0.05) as pool:
        answers = await asyncio.gather(
            *(pool.run("chart-index", payload, BY_DIGEST) for payload in (ENDLESS, INDEX, ENDLESS, INDEX))
        )
    assert [answer is not None for answer in answers] == [False, True, False, True]
    assert [reading for _, reading in readings].count(Reading.EXCEEDED) == 2


async def test_a_process_that_died_is_replaced() -> None:
    async with a_pool() as pool:
        await pool.run("chart-index", INDEX, BY_DIGEST)
        (first,) = children()
        first.kill()
        first.wait()
        answers = [await pool.run("chart-index", INDEX, BY_DIGEST) for _ in range(3)]
        assert answers[-1]
        assert children()[0].pid != first.pid


async def test_past_the_queue_nothing_is_tried() -> None:
    readings: list[tuple[str, Reading]] = []
    async with a_pool(readings, processes=1, most_waiting=2, cpu_s=0.2) as pool:
        answers = await asyncio.gather(
            *(pool.run("chart-index", INDEX, BY_DIGEST, asked_by=str(n)) for n in range(5))
        )
    assert [answer is not None for answer in answers] == [True, True, True, False, False]
    assert [reading for _, reading in readings].count(Reading.NOT_TRIED) == 2


async def test_one_who_asks_for_much_does_not_keep_others_waiting() -> None:
    order: list[str] = []

    async def ask(pool: ParserPool, who: str) -> None:
        await pool.run("chart-index", INDEX, BY_DIGEST, asked_by=who)
        order.append(who)

    async with a_pool(processes=1) as pool:
        await asyncio.gather(*(ask(pool, who) for who in ("many", "many", "many", "many", "few")))
    assert order.index("few") < 3


async def test_waiting_has_an_end() -> None:
    async with a_pool(processes=1, wait_s=0.05) as pool:
        await pool.run("chart-index", INDEX, BY_DIGEST)
        (process,) = children()
        process.suspend()
        stuck = asyncio.create_task(pool.run("chart-index", INDEX, BY_DIGEST))
        await asyncio.sleep(0)
        assert await pool.run("chart-index", INDEX, BY_DIGEST) is None
        process.resume()
        assert await stuck


async def test_a_caller_that_leaves_frees_its_turn() -> None:
    async with a_pool(processes=1) as pool:
        await pool.run("chart-index", INDEX, BY_DIGEST)
        (process,) = children()
        os.kill(process.pid, signal.SIGSTOP)
        stuck = asyncio.create_task(pool.run("chart-index", INDEX, BY_DIGEST))
        waiting = asyncio.create_task(pool.run("chart-index", INDEX, BY_DIGEST))
        await asyncio.sleep(0)
        waiting.cancel()
        stuck.cancel()
        await asyncio.wait([stuck, waiting])
        assert await pool.run("chart-index", INDEX, BY_DIGEST)


async def test_a_process_knows_nothing_of_the_environment_and_opens_nothing() -> None:
    os.environ["PARSING_TEST_SECRET"] = "hidden"
    try:
        async with a_pool() as pool:
            await pool.run("chart-index", INDEX, BY_DIGEST)
            (process,) = children()
            assert "PARSING_TEST_SECRET" not in process.environ()
            assert process.rlimit(psutil.RLIMIT_NOFILE) == (0, 0)
            assert process.nice() > psutil.Process().nice()
    finally:
        del os.environ["PARSING_TEST_SECRET"]


async def test_after_the_end_nothing_is_tried() -> None:
    async with a_pool() as pool:
        pass
    assert await pool.run("chart-index", INDEX, BY_DIGEST) is None
