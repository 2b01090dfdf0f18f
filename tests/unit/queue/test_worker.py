"""One queue of another kind of job than deliveries."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from sidecar.queue.circuit_breaker import MOST_IN_A_ROW, AttemptOutcome
from sidecar.queue.pace import QueueSettings
from sidecar.queue.schedule import RetrySchedule
from sidecar.queue.window import SharedSlots
from sidecar.queue.worker import QueueWorker
from tests.unit.queue.errands import Errand, Errands, Running, now, settled

MINUTE = timedelta(minutes=1)
Worker = QueueWorker[str, Errand, AttemptOutcome]


@asynccontextmanager
async def working(
    errands: Errands, work: Running, *, concurrency: int = 4, is_left_over: bool = False
) -> AsyncIterator[Worker]:
    worker = Worker(
        "alice",
        errands,
        work,
        QueueSettings(concurrency=concurrency, shared=SharedSlots(100), closing_grace_s=0.05, now=now),
        on_idle=lambda: None,
        is_left_over=is_left_over,
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(worker.run())
        yield worker
        work.is_open.set()
        worker.stop()


async def test_jobs_are_tried_side_by_side_but_of_one_order_key_one_after_the_other(errands: Errands) -> None:
    shops = ["baker", "grocer", "baker", "smith"] * 5
    errands.store("alice", *shops)
    errands.store("bob", "baker")
    work = Running(errands)
    async with working(errands, work):
        await errands.until(*["done"] * 20, "waiting")
    assert 1 < work.most_under_way <= 3, "as many as there are shops, and no more"
    stored = [name for (name,) in errands.sql.execute("SELECT id FROM errands WHERE shop = 'baker'")][:-1]
    assert [str(errand.id) for errand in work.begun if errand.order_key == "baker"] == stored


async def test_no_more_are_tried_at_once_than_the_queue_may(errands: Errands) -> None:
    errands.store("alice", *(f"shop {n}" for n in range(30)))
    work = Running(errands)
    async with working(errands, work, concurrency=2):
        await errands.until(*["done"] * 30)
    assert work.most_under_way == 2


async def test_what_fails_is_tried_again_as_often_as_its_schedule_says(errands: Errands) -> None:
    errands.store("alice", "closed shop", "grocer")
    work = Running(errands, {"closed shop": AttemptOutcome.DECLINED})
    async with working(errands, work):
        await errands.until("given_up", "done")
    failures = [errand.failures for errand in work.begun if errand.order_key == "closed shop"]
    assert failures == [0, 1, 2]


async def test_a_job_that_waits_for_its_time_lets_later_ones_pass(errands: Errands) -> None:
    errands.store("alice", "baker", due=now() + MINUTE)
    errands.store("alice", "baker")
    async with working(errands, Running(errands)):
        await errands.until("waiting", "done")


async def test_a_queue_that_fails_again_and_again_is_left_alone_until_it_may_be_another_one(
    errands: Errands,
) -> None:
    errands.store("alice", *(f"shop {n}" for n in range(20)))
    work = Running(errands, {f"shop {n}": AttemptOutcome.AWAY for n in range(20)}, RetrySchedule(3, (60.0,)))
    async with working(errands, work) as worker:
        await work.until_begun(MOST_IN_A_ROW + 1)
        await errands.until(*["waiting"] * 20)
        worker.wake()
        await settled()
        assert len(work.begun) == MOST_IN_A_ROW + 1
        assert worker.is_failing
        work.shops.clear()
        worker.reconfigured()
        await errands.until(*["waiting"] * 5, *["done"] * 15)


async def test_what_failed_meanwhile_is_due_when_whoever_does_the_work_is_back(errands: Errands) -> None:
    errands.store("alice", "baker", "grocer", due=now() + MINUTE)
    errands.store("alice", "smith")
    work = Running(errands)
    async with working(errands, work, is_left_over=True):
        await errands.until("done", "done", "done")
    assert work.back == 2


async def test_what_waits_in_a_closed_queue_is_cancelled_and_nothing_tried(errands: Errands) -> None:
    errands.store("alice", "baker", "grocer")
    errands.store("bob", "baker")
    work = Running(errands, reason="alice has moved")
    async with working(errands, work) as worker:
        await errands.until("cancelled", "cancelled", "waiting")
        work.reason = ""
        errands.store("alice", "smith")
        worker.wake()
    assert not work.begun
    reasons = errands.sql.execute("SELECT DISTINCT reason FROM errands WHERE state = 'cancelled'").fetchall()
    assert reasons == [("alice has moved",)]


async def test_what_a_queue_has_in_hand_when_it_is_closed_goes_back(errands: Errands) -> None:
    errands.store("alice", "baker", "baker", "baker")
    work = Running(errands)
    work.is_open.clear()
    async with working(errands, work) as worker:
        await work.until_begun(1)
        work.reason = "alice has moved"
        worker.wake()
        await errands.until("claimed", "cancelled", "cancelled")
        work.is_open.set()
        await errands.until("done", "cancelled", "cancelled")


async def test_a_failure_that_closes_the_queue_is_seen_to_while_others_are_under_way(
    errands: Errands,
) -> None:
    errands.store("alice", "grocer", "baker", "smith")
    errands.store("alice", "smith", due=now() + MINUTE)
    work = Running(
        errands,
        {"smith": AttemptOutcome.DECLINED},
        RetrySchedule(1),
        quick=frozenset({"grocer", "smith"}),
        last_shop="smith",
    )
    work.is_open.clear()
    async with working(errands, work):
        await errands.until("done", "claimed", "given_up", "cancelled")


async def test_stopping_gives_back_what_is_not_begun_and_waits_for_the_rest(errands: Errands) -> None:
    errands.store("alice", "baker", "baker")
    work = Running(errands)
    work.is_open.clear()
    async with working(errands, work) as worker:
        await work.until_begun(1)
        worker.stop()
        await settled()
        assert errands.states()[0] == "claimed"
    assert errands.states() == ["done", "waiting"]


async def test_what_is_abandoned_goes_back_as_if_it_had_not_been_tried(errands: Errands) -> None:
    errands.store("alice", "baker", "baker")
    work = Running(errands)
    work.is_open.clear()
    async with working(errands, work) as worker:
        await work.until_begun(1)
        worker.stop()
        worker.abandon()
        await errands.until("waiting", "waiting")
    assert errands.sql.execute("SELECT sum(failures) FROM errands").fetchone() == (0,)


async def test_a_store_that_is_away_is_asked_again(
    errands: Errands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidecar.queue.worker._STORE_PAUSE_S", 0.01)
    errands.store("alice", "baker")
    other = sqlite3.connect(tmp_path / "errands.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    work = Running(errands)
    async with working(errands, work):
        await settled()
        assert not work.begun
        other.execute("ROLLBACK")
        await errands.until("done")
    other.close()


async def test_a_worker_ends_when_nothing_waits(errands: Errands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidecar.queue.worker._LINGER_S", 0.01)
    errands.store("alice", "baker")
    idle: list[bool] = []
    worker = Worker(
        "alice",
        errands,
        Running(errands),
        QueueSettings(concurrency=4, shared=SharedSlots(1), closing_grace_s=0, now=now),
        on_idle=lambda: idle.append(True),
    )
    async with asyncio.timeout(20):
        await worker.run()
    assert (errands.states(), idle) == (["done"], [True])
