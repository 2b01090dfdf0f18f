import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import product
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from sidecar.model.delivery import (
    Accepted,
    Attempt,
    AttemptResult,
    Delivery,
    DeliveryState,
    Rejected,
    TargetKey,
    Unreachable,
)
from sidecar.model.event import Event, EventType
from sidecar.store.history import _CHOSEN, FAILED, Chosen, History
from sidecar.store.outbox import Outbox
from sidecar.store.redelivery import redeliver
from sidecar.store.runs import Runs
from sidecar.store.sqlite import SqliteDatabase
from tests.support.builders import START
from tests.support.rows import store_event
from tests.unit.formats.samples import an_event
from tests.unit.store.statements import plan_of

CI, CD = TargetKey(policy_id="prj/ci", target_id="0"), TargetKey(policy_id="prj/cd", target_id="1")


class Shelf:
    """A store with deliveries in it, and a second connection that asks about them."""

    def __init__(self, database: SqliteDatabase, path: Path) -> None:
        self.database = database
        self.outbox = Outbox(database, run="this")
        self.sql = sqlite3.connect(path, isolation_level=None)
        self.history = History(self.sql)

    async def keep(self, minute: int = 0, *, target: TargetKey = CI, **event: object) -> Delivery:
        at = START + timedelta(minutes=minute)
        kept = replace(an_event(**event), id=uuid4(), occurred_at=at)  # type: ignore[arg-type]
        delivery = Delivery(
            id=uuid4(),
            event_id=kept.id,
            event_type=kept.type,
            target=target,
            repository=kept.repository.full_name,
            body=b'{"a": 1}',
            content_type="application/json",
            created_at=at,
        )
        await self.database.write(lambda sql: store_event(sql, kept, [delivery], next_attempt_at=at))
        return delivery

    async def end(
        self, delivery: Delivery, state: DeliveryState, minute: int = 0, *results: AttemptResult
    ) -> None:
        """Try and end it at that minute."""
        late = START + timedelta(days=365)
        await self.outbox.claim(delivery.target, limit=1000, now=late, skip=())
        ends = {DeliveryState.DELIVERED: Accepted(200)}
        for number, result in enumerate(results or [ends.get(state, Rejected(500))], start=1):
            attempt = Attempt(
                delivery_id=delivery.id,
                number=number,
                started_at=START + timedelta(minutes=minute),
                duration_ms=12.5,
                result=result,
                address="10.0.0.3:443",
                excerpt="no",
            )
            await self.outbox.finish(attempt, state=state, next_attempt_at=None)

    def ids(self, limit: int = 50, **chosen: object) -> list[UUID]:
        return [found.id for found in self.history.deliveries(Chosen(**chosen), limit=limit)]  # type: ignore[arg-type]


@pytest.fixture
def shelf(database: SqliteDatabase, tmp_path: Path) -> Iterator[Shelf]:
    kept = Shelf(database, tmp_path / "store.db")
    yield kept
    kept.sql.close()


async def test_the_newest_come_first_and_not_more_than_asked_for(shelf: Shelf) -> None:
    first, second, third = [await shelf.keep(minute) for minute in (0, 1, 2)]
    assert shelf.ids() == [third.id, second.id, first.id]
    assert shelf.ids(limit=2) == [third.id, second.id]


async def test_each_choice_leaves_the_others_out(shelf: Shelf) -> None:
    plain = await shelf.keep(0)
    other_policy = await shelf.keep(1, target=CD)
    other_project = await shelf.keep(2, repository="other/app")
    delete = await shelf.keep(3, kind=EventType.IMAGE_DELETE)
    assert shelf.ids(policy_id="prj/cd") == [other_policy.id]
    assert shelf.ids(project="other") == [other_project.id]
    assert shelf.ids(event_type=EventType.IMAGE_DELETE) == [delete.id]
    assert shelf.ids(since=START + timedelta(minutes=2)) == [delete.id, other_project.id]
    assert shelf.ids(until=START) == [plain.id]
    assert shelf.ids(policy_id="prj/ci", project="prj", event_type=EventType.IMAGE_PUSH) == [plain.id]


async def test_a_repository_without_a_project_part_is_of_the_default_project(shelf: Shelf) -> None:
    delivery = await shelf.keep(repository="busybox")
    assert shelf.ids(project="library") == [delivery.id]


async def test_states_are_told_apart_and_final_ones_go_by_their_end(shelf: Shelf) -> None:
    old, new, sent = await shelf.keep(0), await shelf.keep(1), await shelf.keep(2)
    await shelf.end(new, DeliveryState.GIVEN_UP, minute=10)
    await shelf.end(old, DeliveryState.GIVEN_UP, minute=20)
    assert shelf.ids(states=FAILED) == [old.id, new.id]
    assert shelf.ids(states=FAILED, since=START + timedelta(minutes=15)) == [old.id]
    assert shelf.ids(states=FAILED, until=START + timedelta(minutes=15)) == [new.id]
    assert shelf.ids(states=(DeliveryState.SENDING,)) == [sent.id]
    await Runs(shelf.database, "next").begin(is_alone=True)
    assert shelf.ids(states=(DeliveryState.WAITING,)) == [sent.id]
    await shelf.end(sent, DeliveryState.DELIVERED)
    assert shelf.ids(states=(DeliveryState.DELIVERED,)) == [sent.id]
    assert shelf.history.count(Chosen(states=FAILED)) == 2


async def test_every_attempt_is_kept_and_says_what_went_wrong(shelf: Shelf) -> None:
    delivery = await shelf.keep()
    results = (Unreachable("no answer within 10 s"), Rejected(503), Accepted(204))
    await shelf.end(delivery, DeliveryState.DELIVERED, 0, *results)
    kept = shelf.history.attempts(delivery.id)
    assert [(each.number, each.status, each.error) for each in kept] == [
        (1, None, "no answer within 10 s"),
        (2, 503, "answered 503"),
        (3, 204, ""),
    ]
    assert (kept[0].address, kept[0].excerpt, kept[0].duration_ms) == ("10.0.0.3:443", "no", 12.5)
    found = shelf.history.delivery(delivery.id)
    assert found
    assert found.last_attempt == kept[-1]
    assert (found.attempts, found.failures, found.project) == (3, 2, "prj")
    assert shelf.history.body(delivery.id) == b'{"a": 1}'


async def test_what_is_not_there_is_none(shelf: Shelf) -> None:
    assert shelf.history.delivery(uuid4()) is None
    assert shelf.history.attempts(uuid4()) == []
    assert shelf.history.body(uuid4()) == b""
    assert shelf.history.named("abcd") == []


async def test_the_beginning_of_an_id_names_it(shelf: Shelf) -> None:
    delivery = await shelf.keep()
    text = str(delivery.id)
    for beginning in (text, text[:13], text[:5].upper()):
        assert shelf.history.named(beginning) == [delivery.id]
    assert shelf.history.named(f"{text[:12]}{'0' if text[12] != '0' else '1'}") == []


async def test_one_that_ended_before_it_was_sent_says_why(shelf: Shelf) -> None:
    waiting = await shelf.keep()
    event = replace(an_event(), id=uuid4(), occurred_at=START)
    failed = replace(
        waiting,
        id=uuid4(),
        state=DeliveryState.GIVEN_UP,
        reason="the template failed",
        body=b"",
        content_type="",
    )
    await shelf.database.write(lambda sql: store_event(sql, event, [failed], next_attempt_at=START))
    (found,) = shelf.history.deliveries(Chosen(states=FAILED), limit=10)
    assert (found.id, found.reason, found.finished_at) == (failed.id, "the template failed", START)
    claimed = await shelf.outbox.claim(CI, limit=10, now=START, skip=())
    assert len(claimed.jobs) == 1
    assert redeliver(shelf.sql, [failed.id], at=START) == 0


async def test_waiting_counts_what_is_on_its_way(shelf: Shelf) -> None:
    for minute in range(3):
        await shelf.keep(minute)
    assert shelf.history.waiting(CI) == 3
    await shelf.outbox.claim(CI, limit=1, now=START, skip=())
    assert shelf.history.waiting(CI) == 3
    assert shelf.history.waiting(CD) == 0


async def test_last_triggered_outlives_everything_else(shelf: Shelf) -> None:
    delivery = await shelf.keep(5)
    await shelf.keep(3)
    await shelf.end(delivery, DeliveryState.DELIVERED)
    assert await shelf.outbox.prune(before=START + timedelta(days=1), most_per_policy=1) == 1
    assert shelf.history.delivery(delivery.id) is None
    assert shelf.history.last_triggered("prj/ci") == {EventType.IMAGE_PUSH: START + timedelta(minutes=5)}


async def test_events_are_followed_in_the_order_they_were_stored(shelf: Shelf) -> None:
    assert shelf.history.newest_event() == 0
    assert shelf.history.events_after(0) == []
    first, second = await shelf.keep(0), await shelf.keep(10)
    events = shelf.history.events_after(0)
    assert [event.id for _, event in events] == [first.event_id, second.event_id]
    number = shelf.history.event_before(START + timedelta(minutes=5))
    assert _ids(shelf.history.events_after(number)) == [second.event_id]
    assert shelf.history.event_before(START + timedelta(days=1)) == shelf.history.newest_event()


async def test_numbers_of_events_are_never_used_again(shelf: Shelf) -> None:
    delivery = await shelf.keep()
    last = shelf.history.newest_event()
    await shelf.end(delivery, DeliveryState.DELIVERED)
    await shelf.outbox.prune(before=START + timedelta(days=1), most_per_policy=1)
    later = await shelf.keep()
    assert _ids(shelf.history.events_after(last)) == [later.event_id]


def _ids(events: list[tuple[int, Event]]) -> list[UUID]:
    return [event.id for _, event in events]


def _choices() -> Iterator[Chosen]:
    states = [(), FAILED, *((state,) for state in DeliveryState)]
    for policy, project, kind, chosen, since in product(
        ("", "prj/ci"), ("", "prj"), (None, EventType.IMAGE_PUSH), states, (None, START)
    ):
        yield Chosen(policy_id=policy, project=project, event_type=kind, states=chosen, since=since)


@pytest.mark.parametrize("chosen", list(_choices()), ids=repr)
async def test_every_question_is_answered_by_an_index(shelf: Shelf, chosen: Chosen) -> None:
    newest = _CHOSEN[chosen.index].of(chosen.values())
    plan = plan_of(shelf.sql, newest.text)
    assert any(f"INDEX {chosen.index}" in step for step in plan), plan
    assert not [step for step in plan if step.startswith("SCAN deliveries") and "INDEX" not in step], plan
    if not chosen.states:
        assert any(f"COVERING INDEX {chosen.index}" in step for step in plan), plan
    assert shelf.history.count(chosen) == 0
