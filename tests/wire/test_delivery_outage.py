"""A target that was away for long: what it missed comes as soon as it is back, and not as a stampede."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sidecar.model.delivery import TargetKey
from sidecar.policies.target import Target
from sidecar.queue.schedule import RetrySchedule
from sidecar.store.away import AwayTarget
from tests.support.receiver import Answer, Receiver
from tests.wire.delivery_bench import SHORT, Bench, a_bench, a_delivery, running
from tests.wire.delivery_raw_targets import Gauged, a_raw_target

HOUR = timedelta(hours=1)
#: Whoever waits for the schedule waits longer than this test.
HOURLY = replace(
    SHORT,
    schedule=RetrySchedule(max_failures=10, waits_s=(2 * HOUR.total_seconds(),)),
    longest_pause_s=0,
)
REPOSITORIES = 20


@pytest.fixture(autouse=True)
def short_outages_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidecar.queue.circuit_breaker.SHORTEST_S", 0.0)


@dataclass
class Clock:
    """The real one, and what was added to it."""

    ahead: timedelta = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


async def store(bench: Bench, key: TargetKey, clock: Clock, bodies: range) -> None:
    for n in bodies:
        repository = f"prj/{n % REPOSITORIES}"
        await bench.store(a_delivery(key, repository=repository, body=b"%d" % n, created_at=clock()))


async def until_all_failed(bench: Bench, number: int) -> None:
    async with asyncio.timeout(20):
        while sum(failures > 0 for (failures,) in await bench.rows("failures")) < number:
            await asyncio.sleep(0.02)


def bodies_of(receiver: Receiver) -> list[int]:
    return [int(request.body) for request in receiver.requests]


async def test_what_was_missed_in_an_hour_comes_in_order_once_one_is_accepted(tmp_path: Path) -> None:
    clock, number = Clock(), 200
    with Receiver(lambda _: Answer(status=503)) as receiver:
        async with a_bench(tmp_path) as bench, running(bench, HOURLY, now=clock):
            key = bench.add_target(receiver.url)
            await store(bench, key, clock, range(number))
            await until_all_failed(bench, number)
            clock.ahead += HOUR
            receiver.respond = lambda _: Answer()
            receiver.clear()
            await asyncio.sleep(0.3)
            assert not receiver.requests, "the schedule says that nothing is due"
            await store(bench, key, clock, range(number, number + 1))
            await bench.until_counted(delivered=number + 1)
    came = bodies_of(receiver)
    assert came[0] == number
    assert sorted(came[1:]) == list(range(number))
    by_repository = defaultdict(list)
    for body in came[1:]:
        by_repository[body % REPOSITORIES].append(body)
    assert all(bodies == sorted(bodies) for bodies in by_repository.values())


async def test_it_is_begun_again_with_few_at_a_time(tmp_path: Path) -> None:
    clock, number, gauged = Clock(), 60, Gauged(is_up=False)
    async with (
        a_raw_target(gauged.behave) as target,
        a_bench(tmp_path) as bench,
        running(bench, HOURLY, now=clock),
    ):
        key = bench.add_target(target.url)
        await store(bench, key, clock, range(number))
        await until_all_failed(bench, number)
        clock.ahead += HOUR
        gauged.is_up, gauged.most = True, 0
        await store(bench, key, clock, range(number, number + 1))
        await bench.until_counted(delivered=number + 1)
    assert 2 <= gauged.most <= HOURLY.concurrency
    assert gauged.before[0] == 1
    assert max(gauged.before[:3]) <= 2


async def test_what_is_disliked_or_was_asked_to_wait_keeps_its_time(tmp_path: Path) -> None:
    clock = Clock()
    answers = {
        0: Answer(status=400),
        1: Answer(status=503, headers={"Retry-After": "3500"}),
        2: Answer(status=502),
    }
    with Receiver(lambda request: answers[int(request.body)]) as receiver:
        async with a_bench(tmp_path) as bench, running(bench, HOURLY, now=clock):
            key = bench.add_target(receiver.url)
            await store(bench, key, clock, range(3))
            await until_all_failed(bench, 3)
            clock.ahead += HOUR / 2
            receiver.respond = lambda _: Answer()
            receiver.clear()
            await store(bench, key, clock, range(3, 4))
            await bench.until("waiting", "waiting", "delivered", "delivered")
            await asyncio.sleep(0.3)
    assert bodies_of(receiver) == [3, 2]


async def test_what_was_asked_to_wait_for_less_than_the_outage_is_not_late(tmp_path: Path) -> None:
    clock = Clock()
    with Receiver(lambda _: Answer(status=503, headers={"Retry-After": "1"})) as receiver:
        async with a_bench(tmp_path) as bench, running(bench, HOURLY, now=clock):
            key = bench.add_target(receiver.url)
            await store(bench, key, clock, range(3))
            await until_all_failed(bench, 3)
            clock.ahead += HOUR / 2
            await asyncio.sleep(0.3)
            assert len(receiver.requests) == 3, "once each in half an hour"
            receiver.respond = lambda _: Answer()
            await store(bench, key, clock, range(3, 4))
            await bench.until(*["delivered"] * 4)


async def test_what_fails_for_itself_is_not_hurried_again_and_again(tmp_path: Path) -> None:
    clock = Clock()
    with Receiver(lambda request: Answer(status=500 if request.body == b"0" else 200)) as receiver:
        async with a_bench(tmp_path) as bench, running(bench, HOURLY, now=clock):
            key = bench.add_target(receiver.url)
            await store(bench, key, clock, range(1))
            await until_all_failed(bench, 1)
            for n in range(1, 6):
                clock.ahead += timedelta(minutes=2)
                await store(bench, key, clock, range(n, n + 1))
                await bench.until("waiting", *["delivered"] * n)
                await asyncio.sleep(0.1)
    assert bodies_of(receiver).count(0) == 2


async def test_after_a_restart_the_first_success_counts(tmp_path: Path) -> None:
    clock, number = Clock(), 30
    with Receiver(lambda _: Answer(status=503)) as receiver:
        async with a_bench(tmp_path) as bench:
            key = bench.add_target(receiver.url)
            async with running(bench, HOURLY, now=clock):
                await store(bench, key, clock, range(number))
                await until_all_failed(bench, number)
            clock.ahead += HOUR
            receiver.respond = lambda _: Answer()
            async with running(bench, HOURLY, now=clock):
                await asyncio.sleep(0.3)
                await store(bench, key, clock, range(number, number + 1))
                await bench.until_counted(delivered=number + 1)


async def test_a_target_that_is_away_is_asked_rarely_and_uses_up_no_attempts(tmp_path: Path) -> None:
    clock, number = Clock(), 50
    settings = replace(HOURLY, schedule=RetrySchedule(max_failures=10, waits_s=(0.4,)), longest_pause_s=1.5)
    with Receiver(lambda _: Answer(status=503)) as receiver:
        async with a_bench(tmp_path) as bench, running(bench, settings, now=clock):
            key = bench.add_target(receiver.url)
            await store(bench, key, clock, range(number))
            await asyncio.sleep(1.5)
            assert 5 <= len(receiver.requests) <= 8
            assert (await bench.states()).count("waiting") == number, (
                "what is not sent now waits in the store"
            )
            receiver.respond = lambda _: Answer()
            await bench.until_counted(delivered=number, within_s=5)


async def test_a_corrected_target_is_asked_at_once(tmp_path: Path) -> None:
    clock = Clock()
    settings = replace(HOURLY, schedule=RetrySchedule(max_failures=10, waits_s=(0.1,)), longest_pause_s=60)
    with Receiver(lambda _: Answer(status=503)) as wrong, Receiver() as right:
        async with a_bench(tmp_path) as bench, running(bench, settings, now=clock):
            key = bench.add_target(wrong.url)
            await store(bench, key, clock, range(30))
            await asyncio.sleep(4)
            assert len(wrong.requests) < 15
            bench.set_target(key, Target(address=right.url))
            await bench.until_counted(delivered=30, within_s=3)


async def test_a_target_is_known_to_be_away_until_it_accepts_also_after_a_restart(tmp_path: Path) -> None:
    clock = Clock()
    settings = replace(HOURLY, schedule=RetrySchedule(max_failures=90, waits_s=(0.05,)), longest_pause_s=0.2)
    with Receiver(lambda _: Answer(status=503)) as receiver:
        async with a_bench(tmp_path) as bench:
            key = bench.add_target(receiver.url)
            async with running(bench, settings, now=clock):
                await store(bench, key, clock, range(3))
                first = await until_away(bench)
            clock.ahead += HOUR
            async with running(bench, settings, now=clock):
                while (again := await until_away(bench)).until == first.until:
                    await asyncio.sleep(0.02)
                receiver.respond = lambda _: Answer()
                await bench.until_counted(delivered=3)
                while await bench.outbox.away.all():
                    await asyncio.sleep(0.02)
    assert (first.target, first.reason) == (key, "answered 503")
    assert first.is_about(receiver.url)
    assert again.since == first.since, "it has not been back in between"
    assert first.since <= first.until < first.since + HOUR / 2 < again.until


async def test_a_changed_configuration_holds_nothing_against_a_target(tmp_path: Path) -> None:
    settings = replace(SHORT, schedule=RetrySchedule(max_failures=90, waits_s=(30,)), longest_pause_s=60)
    with Receiver(lambda _: Answer(status=503)) as wrong, Receiver() as right:
        async with a_bench(tmp_path) as bench, running(bench, settings):
            key = bench.add_target(wrong.url)
            await store(bench, key, Clock(), range(6))
            assert (await until_away(bench)).is_about(wrong.url)
            bench.set_target(key, Target(address=right.url))
            async with asyncio.timeout(10):
                while await bench.outbox.away.all():
                    await asyncio.sleep(0.02)


async def until_away(bench: Bench) -> AwayTarget:
    async with asyncio.timeout(20):
        while not (found := await bench.outbox.away.all()):
            await asyncio.sleep(0.02)
    return found[0]
