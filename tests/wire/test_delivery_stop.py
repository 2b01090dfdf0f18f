"""Stopping, starting again, and coming back after an outage, without a stampede."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path

from sidecar.model.delivery import Delivery, TargetKey
from sidecar.queue.schedule import RetrySchedule
from tests.support.receiver import Answer, Receiver
from tests.wire.delivery_bench import SHORT, Bench, a_bench, a_delivery, running
from tests.wire.delivery_raw_targets import Gauged, a_raw_target, answers, breaks_off, drips, hangs

PATIENT = replace(SHORT, schedule=RetrySchedule(max_failures=50, waits_s=(0.05,)), timeout_s=30)


def many(key: TargetKey, number: int) -> list[Delivery]:
    return [a_delivery(key, repository=f"prj/{n}", body=b"%d" % n) for n in range(number)]


async def test_stopping_lets_attempts_under_way_finish(tmp_path: Path) -> None:
    with Receiver(lambda _: Answer(delay_s=0.5)) as receiver:
        async with a_bench(tmp_path) as bench:
            async with running(bench, PATIENT, grace_s=5):
                await bench.store(*many(bench.add_target(receiver.url), 5))
                await receiver.arrived(1)
            assert sorted(await bench.states()) == ["delivered"] + ["waiting"] * 4
        assert len(receiver.requests) == 1


async def test_what_is_not_answered_within_the_grace_waits_again(tmp_path: Path) -> None:
    with Receiver(lambda _: Answer(delay_s=20)) as receiver:
        async with a_bench(tmp_path) as bench:
            async with running(bench, PATIENT, grace_s=0.2):
                await bench.store(*many(bench.add_target(receiver.url), 5))
                await receiver.arrived(1)
            # It has not waited for the answer: that would have been recorded.
            assert await bench.states() == ["waiting"] * 5
            assert await bench.rows("attempts, failures") == [(0, 0)] * 5


async def test_what_was_given_back_is_sent_after_the_next_start(tmp_path: Path) -> None:
    with Receiver(lambda _: Answer(delay_s=20)) as receiver:
        async with a_bench(tmp_path) as bench:
            async with running(bench, PATIENT, grace_s=0.1):
                await bench.store(*many(bench.add_target(receiver.url), 5))
                await receiver.arrived(1)
            receiver.respond = lambda _: Answer()
            async with running(bench, PATIENT):
                await bench.until(*["delivered"] * 5)
        ids = [request.header("webhook-id") for request in receiver.requests]
    assert len(set(ids)) == 5


async def test_a_target_that_fails_gets_one_at_a_time_until_it_is_back(tmp_path: Path) -> None:
    gauged = Gauged()
    async with (
        a_raw_target(gauged.behave) as target,
        a_bench(tmp_path) as bench,
        running(bench, PATIENT),
    ):
        await bench.store(*many(bench.add_target(target.url), 500))
        while gauged.most < PATIENT.concurrency:
            await asyncio.sleep(0.01)
        gauged.is_up = False
        await asyncio.sleep(0.3)
        gauged.most = 0
        await asyncio.sleep(0.3)
        assert gauged.most == 1
        gauged.is_up = True
        await bench.until_counted(delivered=500)
        assert 2 <= gauged.most <= PATIENT.concurrency


async def test_deliveries_stored_by_another_process_are_found(tmp_path: Path) -> None:
    with Receiver() as receiver:
        async with a_bench(tmp_path) as bench, running(bench, replace(SHORT, poll_s=0.1)):
            key = bench.add_target(receiver.url)
            await bench.store(a_delivery(key), is_told=False)
            await bench.until("delivered")


BAD = 80
GOOD = 120


async def test_eighty_bad_targets_delay_none_of_the_good_ones(tmp_path: Path) -> None:
    slow = drips(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    failing = answers(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")
    with Receiver() as receiver:
        async with (
            a_bench(tmp_path) as bench,
            a_raw_target(hangs) as hanging,
            a_raw_target(slow) as dripping,
            a_raw_target(failing) as refusing,
            a_raw_target(breaks_off) as breaking,
            running(bench, PATIENT, grace_s=0.1),
        ):
            urls = [target.url for target in (hanging, dripping, refusing, breaking)]
            bad = [bench.add_target(urls[n % 4]) for n in range(BAD)]
            await bench.store(*(delivery for key in bad for delivery in many(key, 5)))
            await asyncio.sleep(0.5)
            took_s = await _seconds_to_deliver(bench, receiver)
    assert took_s < 5


async def _seconds_to_deliver(bench: Bench, receiver: Receiver) -> float:
    good = [bench.add_target(f"{receiver.url}/{n}") for n in range(GOOD)]
    began = time.monotonic()
    await bench.store(*(a_delivery(key) for key in good))
    await receiver.arrived(GOOD)
    return time.monotonic() - began
