"""The outbox: what is claimed, in which order, and what becomes of it. Real SQLite throughout."""

import asyncio
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from sidecar.model.delivery import (
    Accepted,
    Attempt,
    Delivery,
    DeliveryState,
    Rejected,
    TargetKey,
    Unreachable,
)
from sidecar.model.errors import StoreUnavailable
from sidecar.model.event import Event, EventType
from sidecar.model.names import repository_of
from sidecar.store.claims import Claimed
from sidecar.store.outbox import Outbox
from sidecar.store.runs import Runs
from sidecar.store.sqlite import SqliteDatabase
from tests.support.builders import START
from tests.support.rows import store_event

FAST, SLOW = TargetKey(policy_id="prj/fast", target_id="0"), TargetKey(policy_id="prj/slow", target_id="1")


def an_event(repository: str = "prj/app") -> Event:
    return Event(
        id=uuid4(),
        type=EventType.IMAGE_PUSH,
        occurred_at=START,
        operator="alice",
        repository=repository_of(repository, default_project="library"),
    )


def a_delivery(event: Event, target: TargetKey = FAST) -> Delivery:
    return Delivery(
        id=uuid4(),
        event_id=event.id,
        event_type=event.type,
        target=target,
        repository=event.repository.full_name,
        body=b"{}",
        content_type="application/json",
        created_at=START,
    )


async def store(database: SqliteDatabase, *deliveries: Delivery, at: datetime = START) -> None:
    for delivery in deliveries:
        event = replace(an_event(delivery.repository), id=delivery.event_id)
        await database.write(
            lambda sql, event=event, delivery=delivery: store_event(  # type: ignore[misc]
                sql, event, [delivery], next_attempt_at=at
            )
        )


def an_attempt(delivery: Delivery, result: Accepted | Rejected | Unreachable, number: int = 1) -> Attempt:
    return Attempt(
        delivery_id=delivery.id, number=number, started_at=START, duration_ms=5.0, result=result, excerpt="no"
    )


async def claim(outbox: Outbox, *, at: datetime = START, skip: Iterable[str] = ()) -> list[Delivery]:
    return (await outbox.claim(FAST, limit=10, now=at, skip=tuple(skip))).jobs


@pytest.fixture
def outbox(database: SqliteDatabase) -> Outbox:
    return Outbox(database, run="this")


async def test_deliveries_are_claimed_once_and_in_order(database: SqliteDatabase, outbox: Outbox) -> None:
    deliveries = [a_delivery(an_event()) for _ in range(3)]
    await store(database, *deliveries)
    assert await claim(outbox) == deliveries
    assert await claim(outbox) == []


async def test_other_targets_and_busy_repositories_are_not_claimed(
    database: SqliteDatabase, outbox: Outbox
) -> None:
    mine, busy, other = an_event("prj/app"), an_event("prj/busy"), an_event("prj/app")
    wanted = a_delivery(mine)
    await store(database, a_delivery(busy), wanted, a_delivery(other, SLOW))
    assert await claim(outbox, skip=["prj/busy"]) == [wanted]


async def test_not_due_is_not_claimed(database: SqliteDatabase, outbox: Outbox) -> None:
    await store(database, a_delivery(an_event()), at=START + timedelta(seconds=5))
    due = START + timedelta(seconds=5)
    early = await outbox.claim(FAST, limit=10, now=due - timedelta(seconds=0.1), skip=())
    assert early == Claimed([], is_full=False, next_due=due)
    late = await outbox.claim(FAST, limit=10, now=due, skip=())
    assert (len(late.jobs), late.is_full, late.next_due) == (1, False, None)


async def test_storing_an_event_twice_stores_it_once(database: SqliteDatabase, outbox: Outbox) -> None:
    delivery = a_delivery(an_event())
    await store(database, delivery, delivery)
    assert await claim(outbox) == [delivery]


async def test_failed_attempt_waits_and_counts(database: SqliteDatabase, outbox: Outbox) -> None:
    await store(database, a_delivery(an_event()))
    (delivery,) = await claim(outbox)
    later = START + timedelta(seconds=30)
    await outbox.finish(
        an_attempt(delivery, Rejected(503)), state=DeliveryState.WAITING, next_attempt_at=later
    )
    assert await claim(outbox) == []
    (again,) = await claim(outbox, at=later)
    assert (again.failures, again.attempts) == (1, 1)
    assert again.event_id == delivery.event_id


async def test_delivered_is_final(database: SqliteDatabase, outbox: Outbox) -> None:
    await store(database, a_delivery(an_event()))
    (delivery,) = await claim(outbox)
    await outbox.finish(
        an_attempt(delivery, Accepted(204)), state=DeliveryState.DELIVERED, next_attempt_at=None
    )
    await outbox.release([delivery])
    await Runs(database, "next").begin(is_alone=True)
    assert await claim(outbox, at=START + timedelta(days=1)) == []


async def test_what_a_crash_left_being_sent_waits_again(database: SqliteDatabase, outbox: Outbox) -> None:
    await store(database, a_delivery(an_event()))
    await Runs(database, "this").begin()
    (delivery,) = await claim(outbox)
    await Runs(database, "next").begin(is_alone=True)
    assert await claim(outbox) == [delivery]


async def test_cancelling_is_visible_and_an_attempt_under_way_does_not_undo_it(
    database: SqliteDatabase, outbox: Outbox
) -> None:
    sent, waiting = a_delivery(an_event()), a_delivery(an_event("prj/other"))
    await store(database, sent)
    await claim(outbox)
    await store(database, waiting)
    assert await outbox.cancel_waiting(FAST, reason="policy disabled") == 1
    await outbox.finish(
        an_attempt(sent, Unreachable("timed out")), state=DeliveryState.WAITING, next_attempt_at=START
    )
    assert await claim(outbox) == [replace(sent, failures=1, attempts=1)]
    states = await database.read(
        lambda sql: sql.execute("SELECT state, reason FROM deliveries ORDER BY seq").fetchall()
    )
    assert states == [("sending", ""), ("cancelled", "policy disabled")]


async def test_queues_waiting_names_each_once(database: SqliteDatabase, outbox: Outbox) -> None:
    await store(database, *(a_delivery(an_event(), target) for target in (SLOW, FAST, SLOW, FAST)))
    assert await outbox.queues_waiting() == {FAST: START, SLOW: START}


async def test_pruning_forgets_old_endings_with_their_attempts_and_events(
    database: SqliteDatabase, outbox: Outbox
) -> None:
    await store(database, a_delivery(an_event()), a_delivery(an_event("prj/other")))
    first, second = await claim(outbox)
    await outbox.finish(an_attempt(first, Accepted(200)), state=DeliveryState.DELIVERED, next_attempt_at=None)
    assert await outbox.prune(before=START, most_per_policy=1) == 0
    assert await outbox.prune(before=START + timedelta(days=1), most_per_policy=1) == 1
    counts = await database.read(
        lambda sql: [
            sql.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("deliveries", "attempts", "events")
        ]
    )
    assert counts == [1, 0, 1]
    assert second.repository == "prj/other"


async def test_the_newest_of_each_policy_are_kept(database: SqliteDatabase, outbox: Outbox) -> None:
    mine = [a_delivery(an_event(f"prj/{number}")) for number in range(5)]
    other, waiting = a_delivery(an_event(), SLOW), a_delivery(an_event("prj/waiting"))
    await store(database, *mine, other)
    for delivery in (*mine, other):
        await outbox.claim(delivery.target, limit=10, now=START, skip=())
        attempt = replace(
            an_attempt(delivery, Accepted(200)), duration_ms=mine.index(delivery) if delivery in mine else 0
        )
        await outbox.finish(attempt, state=DeliveryState.DELIVERED, next_attempt_at=None)
    await store(database, waiting)
    before = START - timedelta(days=1)
    assert await outbox.prune(before=before, most_per_policy=5) == 0
    assert await outbox.prune(before=before, most_per_policy=2) == 3
    assert await outbox.prune(before=before, most_per_policy=2) == 0
    left = await database.read(lambda sql: sql.execute("SELECT id FROM deliveries ORDER BY seq").fetchall())
    assert [UUID(row[0]) for row in left] == [mine[3].id, mine[4].id, other.id, waiting.id]


async def test_pruning_goes_on_in_steps_until_nothing_is_to_be_forgotten(
    database: SqliteDatabase, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidecar.store.pruning._AT_ONCE", 2)
    await store(database, *(a_delivery(an_event(f"prj/{number}")) for number in range(3)))
    for delivery in await claim(outbox):
        await outbox.finish(
            an_attempt(delivery, Accepted(200)), state=DeliveryState.DELIVERED, next_attempt_at=None
        )
    later = START + timedelta(days=1)
    assert [await outbox.prune(before=later, most_per_policy=9) for _ in range(3)] == [2, 1, 0]


async def test_what_was_missed_is_due_though_the_clock_went_back(
    database: SqliteDatabase, outbox: Outbox
) -> None:
    missed = a_delivery(an_event())
    await store(database, missed)
    await claim(outbox)
    back_at, failed_at = START - timedelta(minutes=30), START - timedelta(hours=1)
    attempt = replace(an_attempt(missed, Rejected(500)), started_at=failed_at)
    await outbox.finish(attempt, state=DeliveryState.WAITING, next_attempt_at=START + timedelta(hours=1))
    ever = datetime.fromtimestamp(0, UTC)
    assert await outbox.bring_forward(FAST, away_since=ever, back_at=back_at, limit=9) == 1
    assert await outbox.queues_waiting() == {FAST: back_at}


async def test_a_million_of_one_repository_are_not_looked_through(
    database: SqliteDatabase, outbox: Outbox
) -> None:
    event = an_event("prj/busy")
    busy = [a_delivery(event) for _ in range(1200)]
    await database.write(lambda sql: store_event(sql, event, busy, next_attempt_at=START))
    await store(database, a_delivery(an_event("prj/quiet")))
    claimed = await outbox.claim(FAST, limit=10, now=START, skip=["prj/busy"])
    assert claimed == Claimed([], is_full=False, next_due=None), "looks no further than a bounded way"
    assert len(await claim(outbox)) == 10


async def test_what_is_given_back_while_the_store_is_away_waits_once_it_is_back(
    database: SqliteDatabase, outbox: Outbox, tmp_path: Path
) -> None:
    delivery = a_delivery(an_event())
    await store(database, delivery)
    claimed = await claim(outbox)
    await database.write(lambda sql: sql.execute("PRAGMA busy_timeout = 10").fetchall())
    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable):
            await outbox.release(claimed)
    async with asyncio.timeout(10):
        while await claim(outbox) != [delivery]:
            await asyncio.sleep(0.05)
