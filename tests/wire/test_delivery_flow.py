"""Retries, order, cancelling and restarts of deliveries, on real sockets and a real store."""

import asyncio
import ssl
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sidecar.queue.schedule import RetrySchedule
from tests.support.process import free_port
from tests.support.receiver import Answer, Received, Receiver, accept
from tests.wire.delivery_bench import SHORT, a_bench, a_delivery, running

PATIENT = replace(SHORT, schedule=RetrySchedule(max_failures=50, waits_s=(0.05,)))


async def test_a_failure_is_sent_again_with_the_same_id_until_it_arrives(tmp_path: Path) -> None:
    statuses = iter([500, 302, 404])
    with Receiver(lambda _: Answer(status=next(statuses, 204))) as receiver:
        async with a_bench(tmp_path) as bench, running(bench, PATIENT):
            await bench.store(a_delivery(bench.add_target(receiver.url)))
            await bench.until("delivered")
        requests = receiver.requests
    assert [request.header("X-Sidecar-Attempt") for request in requests] == ["1", "2", "3", "4"]
    assert len({request.header("webhook-id") for request in requests}) == 1
    assert {request.method for request in requests} == {"POST"}


async def test_it_is_given_up_after_as_many_failures_as_allowed(tmp_path: Path) -> None:
    with Receiver(lambda _: Answer(status=500)) as receiver:
        async with a_bench(tmp_path) as bench, running(bench):
            await bench.store(a_delivery(bench.add_target(receiver.url)))
            await bench.until("given_up")
        assert len(receiver.requests) == 3


async def test_retry_after_is_obeyed(tmp_path: Path) -> None:
    answers = iter([Answer(status=503, headers={"Retry-After": "1"})])
    with Receiver(lambda _: next(answers, Answer())) as receiver:
        async with a_bench(tmp_path) as bench, running(bench):
            await bench.store(a_delivery(bench.add_target(receiver.url)))
            await bench.until("delivered")
        first, second = receiver.requests
    assert second.at - first.at >= 1


async def test_order_within_a_repository_is_kept(tmp_path: Path) -> None:
    with Receiver(lambda _: Answer(delay_s=0.005)) as receiver:
        async with a_bench(tmp_path) as bench, running(bench):
            key = bench.add_target(receiver.url)
            deliveries = [a_delivery(key, repository=f"prj/{n % 4}", body=str(n).encode()) for n in range(80)]
            await bench.store(*deliveries)
            await bench.until_counted(delivered=80)
        seen: dict[int, list[int]] = defaultdict(list)
        for request in receiver.requests:
            seen[int(request.body) % 4].append(int(request.body))
    assert all(numbers == sorted(numbers) for numbers in seen.values())


async def test_a_retry_lets_later_deliveries_pass(tmp_path: Path) -> None:
    def respond(request: Received) -> Answer:
        return Answer(status=500 if request.body == b"bad" else 200)

    slow = replace(SHORT, schedule=RetrySchedule(max_failures=5, waits_s=(30,)))
    with Receiver(respond) as receiver:
        async with a_bench(tmp_path) as bench, running(bench, slow):
            key = bench.add_target(receiver.url)
            await bench.store(a_delivery(key, body=b"bad"), a_delivery(key, body=b"good"))
            await bench.until("waiting", "delivered")


async def test_what_waits_survives_a_restart_and_an_outage(tmp_path: Path) -> None:
    port = free_port()
    async with a_bench(tmp_path) as bench:
        key = bench.add_target(f"http://127.0.0.1:{port}/")
        async with running(bench, PATIENT):
            await bench.store(*(a_delivery(key, repository=f"prj/{n}") for n in range(20)))
            await asyncio.sleep(0.3)
        assert await bench.states() == ["waiting"] * 20
        with Receiver(port=port) as receiver:
            async with running(bench, PATIENT):
                await bench.until_counted(delivered=20)
            assert len(receiver.requests) == 20


@pytest.mark.parametrize("how", ["disabled", "removed", "switched off"])
async def test_a_policy_that_is_gone_takes_what_waits_with_it_visibly(tmp_path: Path, how: str) -> None:
    with Receiver(lambda _: Answer(status=500)) as receiver:
        async with a_bench(tmp_path) as bench, running(bench, PATIENT):
            key = bench.add_target(receiver.url)
            await bench.store(a_delivery(key))
            await receiver.arrived(1)
            {"disabled": lambda: bench.disable(key), "removed": lambda: bench.remove(key)}.get(
                how, lambda: bench.switch(enabled=False)
            )()
            await bench.until("cancelled")
            ((reason,),) = await bench.rows("reason")
            sent = len(receiver.requests)
            await asyncio.sleep(0.3)
            assert len(receiver.requests) == sent
    assert reason


async def test_correcting_the_address_mends_what_waits(tmp_path: Path) -> None:
    with Receiver(lambda _: Answer(status=404)) as wrong, Receiver() as right:
        async with a_bench(tmp_path) as bench, running(bench, PATIENT):
            key = bench.add_target(wrong.url)
            await bench.store(a_delivery(key))
            await wrong.arrived(1)
            policy, target = bench.policies[key]
            bench.policies[key] = policy, replace(target, address=right.url)
            bench.changed()
            await bench.until("delivered")
        assert len(right.requests) == 1


@pytest.mark.parametrize("while_it_runs", [True, False])
async def test_taking_a_target_out_of_a_policy_leaves_those_after_it_what_is_theirs(
    tmp_path: Path, *, while_it_runs: bool
) -> None:
    with Receiver(lambda _: Answer(status=500)) as out, Receiver(lambda _: Answer(status=500)) as stays:
        async with a_bench(tmp_path) as bench:
            async with running(bench, PATIENT):
                first, second = bench.set_policy("prj/ci", out.url, stays.url)
                for body, key in ((b"1", first), (b"2", second)):
                    await bench.store(a_delivery(key, body=body))
                await out.arrived(1)
                await stays.arrived(1)
                if while_it_runs:
                    stays.respond = accept
                    bench.set_policy("prj/ci", stays.url)
                    await bench.until("cancelled", "delivered")
            if not while_it_runs:
                stays.respond = accept
                bench.set_policy("prj/ci", stays.url)
                async with running(bench, PATIENT):
                    await bench.until("cancelled", "delivered")
            assert await bench.rows("reason") == [("the policy or its target was removed",), ("",)]
        assert {request.body for request in stays.requests} == {b"2"}


async def test_targets_that_change_places_keep_what_is_theirs(tmp_path: Path) -> None:
    with Receiver(lambda _: Answer(status=500)) as one, Receiver(lambda _: Answer(status=500)) as other:
        async with a_bench(tmp_path) as bench, running(bench, PATIENT):
            keys = bench.set_policy("prj/ci", one.url, other.url)
            for number in range(20):
                key = keys[number % 2]
                await bench.store(a_delivery(key, body=b"%d" % (number % 2)))
            await one.arrived(1)
            await other.arrived(1)
            bench.set_policy("prj/ci", other.url, one.url)
            one.respond = other.respond = accept
            await bench.until(*["delivered"] * 20)
        assert {request.body for request in one.requests} == {b"0"}
        assert {request.body for request in other.requests} == {b"1"}


async def test_gone_disables_the_target(tmp_path: Path) -> None:
    with Receiver(lambda _: Answer(status=410)) as receiver:
        async with a_bench(tmp_path) as bench, running(bench, PATIENT):
            key = bench.add_target(receiver.url)
            await bench.store(a_delivery(key, repository="prj/a"))
            await bench.until("given_up")
            await bench.store(a_delivery(key, repository="prj/b"))
            await bench.until("given_up", "cancelled")
        assert len(receiver.requests) == 1


async def test_certificates_are_verified_unless_told_not_to(tmp_path: Path) -> None:
    with Receiver(tls_in=tmp_path / "tls") as receiver:
        async with a_bench(tmp_path) as bench, running(bench):
            verifying = bench.add_target(receiver.url)
            trusting = bench.add_target(receiver.url, skip_cert_verify=True)
            await bench.store(a_delivery(trusting), a_delivery(verifying))
            await bench.until("delivered", "given_up")
            errors = {row[0] for row in await bench.rows("error", "attempts")}
        assert len(receiver.requests) == 1
    assert any("certificate" in error for error in errors)
    assert ssl.create_default_context().verify_mode is ssl.CERT_REQUIRED


async def test_a_dead_target_delays_no_other(tmp_path: Path) -> None:
    with Receiver(lambda _: Answer(delay_s=30)) as hanging, Receiver() as quick:
        async with a_bench(tmp_path) as bench, running(bench, grace_s=0.1):
            dead = [bench.add_target(hanging.url) for _ in range(40)]
            alive = bench.add_target(quick.url)
            await bench.store(*(a_delivery(key, repository=f"prj/{n}") for key in dead for n in range(3)))
            began = datetime.now(UTC)
            await bench.store(*(a_delivery(alive, repository=f"prj/{n}") for n in range(50)))
            await quick.arrived(50)
            assert datetime.now(UTC) - began < timedelta(seconds=2)


async def test_a_changed_concurrency_counts_for_a_target_that_is_busy(tmp_path: Path) -> None:
    with Receiver(lambda _: Answer(delay_s=0.2)) as receiver:
        async with a_bench(tmp_path) as bench, running(bench, replace(SHORT, concurrency=1)) as dispatcher:
            key = bench.add_target(receiver.url)
            await bench.store(*(a_delivery(key, repository=f"prj/{number}") for number in range(40)))
            await receiver.arrived(2)
            dispatcher.reconfigure(replace(SHORT, concurrency=8))
            dispatcher.policies_changed()
            await bench.until_counted(delivered=40, within_s=5)  # one by one it takes 8 s
