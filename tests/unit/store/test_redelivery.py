from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from sidecar.model.delivery import DeliveryState
from sidecar.store import redelivery
from sidecar.store.history import FAILED, Chosen
from sidecar.store.redelivery import redeliver, redeliver_all
from sidecar.store.sqlite import SqliteDatabase
from tests.support.builders import START
from tests.unit.store.test_history import CD, CI, Shelf

LATER = START + timedelta(hours=1)


@pytest.fixture
def shelf(database: SqliteDatabase, tmp_path: Path) -> Shelf:
    return Shelf(database, tmp_path / "store.db")


@pytest.mark.parametrize("state", [DeliveryState.DELIVERED, DeliveryState.GIVEN_UP])
async def test_one_that_has_ended_waits_again_as_it_was(shelf: Shelf, state: DeliveryState) -> None:
    delivery = await shelf.keep()
    await shelf.end(delivery, state)
    assert redeliver(shelf.sql, [delivery.id], at=LATER) == 1
    assert await shelf.outbox.queues_waiting() == {CI: LATER}
    (again,) = (await shelf.outbox.claim(CI, limit=10, now=LATER, skip=())).jobs
    assert (again.id, again.event_id, again.body) == (delivery.id, delivery.event_id, delivery.body)
    assert (again.failures, again.attempts) == (0, 1)
    found = shelf.history.delivery(delivery.id)
    assert found
    assert found.finished_at is None
    assert len(shelf.history.attempts(delivery.id)) == 1


async def test_a_cancelled_one_loses_its_reason(shelf: Shelf) -> None:
    delivery = await shelf.keep()
    await shelf.outbox.cancel_waiting(CI, reason="the policy is disabled")
    assert redeliver(shelf.sql, [delivery.id], at=LATER) == 1
    found = shelf.history.delivery(delivery.id)
    assert found
    assert (found.state, found.reason) == (DeliveryState.WAITING, "")


async def test_one_that_waits_is_due_at_once(shelf: Shelf) -> None:
    delivery = await shelf.keep(minute=600)
    assert redeliver(shelf.sql, [delivery.id], at=START) == 1
    assert await shelf.outbox.queues_waiting() == {CI: START}


async def test_one_that_is_being_sent_is_left_alone(shelf: Shelf) -> None:
    delivery = await shelf.keep()
    await shelf.outbox.claim(CI, limit=1, now=START, skip=())
    assert redeliver(shelf.sql, [delivery.id, uuid4()], at=LATER) == 0


async def test_all_failed_of_a_time_range_and_policy_are_sent_again(shelf: Shelf) -> None:
    early, late, other, arrived = [await shelf.keep(n, target=CD if n == 2 else CI) for n in range(4)]
    await shelf.end(early, DeliveryState.GIVEN_UP, minute=10)
    await shelf.end(late, DeliveryState.GIVEN_UP, minute=20)
    await shelf.end(other, DeliveryState.GIVEN_UP, minute=20)
    await shelf.end(arrived, DeliveryState.DELIVERED, minute=20)
    since = START + timedelta(minutes=15)
    chosen = Chosen(policy_id="prj/ci", states=FAILED, since=since, until=LATER)
    assert list(redeliver_all(shelf.sql, chosen, at=LATER)) == [1]
    assert shelf.ids(states=(DeliveryState.WAITING,)) == [late.id]
    assert shelf.ids(states=FAILED) == [other.id, early.id]


async def test_many_are_taken_in_several_transactions_each_once(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redelivery, "AT_ONCE", 2)
    for minute in range(5):
        await shelf.end(await shelf.keep(minute), DeliveryState.GIVEN_UP, minute=10 + minute // 3)
    chosen = Chosen(states=FAILED, until=LATER)
    numbers = []
    for number in redeliver_all(shelf.sql, chosen, at=LATER):
        numbers.append(number)
        # Others write between two transactions, and what fails again meanwhile is not taken again.
        await shelf.outbox.cancel_waiting(CI, reason="again")
    assert numbers == [2, 2, 1]
    assert shelf.history.count(Chosen(states=FAILED)) == 5
