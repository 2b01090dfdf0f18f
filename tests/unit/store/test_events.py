"""However many deliveries an event has, each row is as its delivery says."""

import sqlite3
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

from sidecar.model.changes import Raised
from sidecar.model.delivery import Delivery, DeliveryState, TargetKey
from sidecar.model.event import Event
from sidecar.store.events import store_events
from sidecar.store.sqlite import SqliteDatabase
from tests.support.builders import START
from tests.support.rows import store_event
from tests.unit.store.test_outbox import a_delivery, an_event

DUE = START + timedelta(seconds=1)


def some_deliveries(event: Event) -> list[Delivery]:
    """In turn: two bodies, and one that could not be made."""
    found = [a_delivery(event, TargetKey(policy_id=f"prj/{n}", target_id=f"t{n % 2}")) for n in range(6)]
    given_up = {"state": DeliveryState.GIVEN_UP, "reason": "the template failed", "body": b""}
    bodies = [{"body": b"\xff\x00'"}, {"content_type": "text/plain"}, given_up]
    return [replace(delivery, position=n % 2, **bodies[n % 3]) for n, delivery in enumerate(found)]  # type: ignore[arg-type]


async def rows(database: SqliteDatabase, columns: str, table: str = "deliveries") -> list[tuple[object, ...]]:
    return await database.read(lambda sql: sql.execute(f"SELECT {columns} FROM {table}").fetchall())


async def test_every_delivery_is_a_row_of_its_own(database: SqliteDatabase) -> None:
    event = an_event("prj/app")
    deliveries = some_deliveries(event)
    await database.write(lambda sql: store_event(sql, event, deliveries, next_attempt_at=DUE))
    columns = (
        "id, event_id, policy_id, target_id, position, project, repository, content_type, body, state, reason"
    )
    assert set(await rows(database, columns)) == {
        (
            *(str(found.id), str(event.id), found.target.policy_id, found.target.target_id),
            *(found.position, "prj", "prj/app"),
            *(found.content_type, found.body, found.state, found.reason),
        )
        for found in deliveries
    }
    assert set(await rows(database, "state, created_at, next_attempt_at, finished_at")) == {
        ("waiting", START.timestamp(), DUE.timestamp(), None),
        ("given_up", START.timestamp(), None, START.timestamp()),
    }


async def test_alike_ones_keep_their_order(database: SqliteDatabase) -> None:
    event = an_event()
    deliveries = [a_delivery(event) for _ in range(50)]
    await database.write(lambda sql: store_event(sql, event, deliveries, next_attempt_at=DUE))
    stored = await rows(database, "id", "deliveries ORDER BY seq")
    assert [UUID(str(identity)) for (identity,) in stored] == [found.id for found in deliveries]


async def test_twice_is_once(database: SqliteDatabase) -> None:
    event = an_event()
    deliveries = some_deliveries(event)
    for due in (DUE, DUE + timedelta(hours=1)):
        await database.write(lambda sql, due=due: store_event(sql, event, deliveries, next_attempt_at=due))  # type: ignore[misc]
    assert await rows(database, "count(*), max(next_attempt_at)") == [(6, DUE.timestamp())]
    assert await rows(database, "count(*)", "events") == [(1,)]


async def test_each_policy_was_triggered(database: SqliteDatabase) -> None:
    event = an_event()
    await database.write(lambda sql: store_event(sql, event, some_deliveries(event), next_attempt_at=DUE))
    assert set(await rows(database, "policy_id, event_type, at", "last_triggered")) == {
        (f"prj/{n}", event.type, START.timestamp()) for n in range(6)
    }


def test_last_triggered_never_goes_back(memory: sqlite3.Connection) -> None:
    for seconds in (5, 0):
        event = replace(an_event(), id=uuid4(), occurred_at=START + timedelta(seconds=seconds))
        delivery = replace(a_delivery(event, TargetKey(policy_id="prj/ci", target_id="0")), id=uuid4())
        store_event(memory, event, [delivery], next_attempt_at=START)
    at = memory.execute("SELECT at FROM last_triggered WHERE policy_id = 'prj/ci'").fetchall()
    assert at == [((START + timedelta(seconds=5)).timestamp(),)]


def test_many_events_at_once_are_kept_each_with_its_deliveries(memory: sqlite3.Connection) -> None:
    events = [replace(an_event(), id=uuid4(), occurred_at=START + timedelta(seconds=n)) for n in (2, 1)]
    raised = [Raised(event, tuple(some_deliveries(event))) for event in events]
    store_events(memory, raised, next_attempt_at=DUE)
    found = memory.execute(
        "SELECT event_id, count(*) FROM deliveries GROUP BY event_id ORDER BY min(seq)"
    ).fetchall()
    assert found == [(str(event.id), 6) for event in events]
    at = memory.execute("SELECT DISTINCT at FROM last_triggered").fetchall()
    assert at == [((START + timedelta(seconds=2)).timestamp(),)]
