"""The port that recording uses, and the few questions beside it."""

import sqlite3
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

from sidecar.model.changes import Decided, PullHeld, PushHeld, Raised, Released
from sidecar.model.exchange import Intent
from sidecar.model.memory import HeldPull, HeldPush
from sidecar.model.names import parse_reference, repository_of
from sidecar.model.operation import PutManifest
from sidecar.store.runs import Runs
from sidecar.store.sqlite import SqliteDatabase
from sidecar.store.store import Store
from tests.support.builders import DOCKER, START
from tests.support.rows import remember
from tests.unit.store.test_outbox import a_delivery, an_event

APP = repository_of("prj/app", default_project="library")


def an_intent(seconds: int = 0) -> Intent:
    at = START + timedelta(seconds=seconds)
    operation = PutManifest(APP, parse_reference("v1"))
    return Intent(id=uuid4(), operation=operation, client=DOCKER, opened_at=at)


async def opened(store: Store, intent: Intent, *, run: str) -> None:
    await store.record(None, lambda _: Decided(opens=intent, run=run))


async def test_intents_of_dead_runs_are_left_open_oldest_first(database: SqliteDatabase) -> None:
    store = Store(database)
    late, early, alive = an_intent(5), an_intent(1), an_intent(0)
    for intent, run in ((late, "dead"), (early, "dead"), (alive, "alive")):
        await opened(store, intent, run=run)
    await Runs(database, "alive").begin()
    assert await store.intents_left_open() == [early, late]
    await Runs(database, "dead").begin()
    assert await store.intents_left_open() == []


async def test_figures_count_what_waits(database: SqliteDatabase) -> None:
    store = Store(database)
    assert (await store.figures()).oldest_waiting_at is None
    delivery = a_delivery(an_event())
    raised = (Raised(an_event(), (delivery,)),)
    await store.record(None, lambda _: Decided(raised=raised, next_attempt_at=START + timedelta(hours=1)))
    await opened(store, an_intent(), run="this")
    figures = await store.figures()
    assert (figures.deliveries_waiting, figures.oldest_waiting_at, figures.intents_open) == (1, START, 1)


async def test_data_version_tells_of_other_processes(database: SqliteDatabase, tmp_path: Path) -> None:
    store = Store(database)
    before = await store.data_version()
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    other.execute("INSERT INTO repositories (repository) VALUES ('prj/app')")
    other.close()
    # Two reader threads have a connection each; either may be asked first.
    seen = {await store.data_version() for _ in range(4)}
    assert seen != {before}


async def test_holds_are_due_when_their_time_has_come_or_lies_too_far_ahead(database: SqliteDatabase) -> None:
    store, second = Store(database), timedelta(seconds=1)

    async def has_due(now: datetime) -> bool:
        return await store.has_due_holds(now, pulls_until=now + 3 * second, pushes_until=now + 30 * second)

    pull = HeldPull(event=an_event(), client=DOCKER, due_at=START, needs_blob=False)
    await remember(store, PullHeld(pull))
    assert [await has_due(START - n * second) for n in (0, 1, 3, 4)] == [True, False, False, True]
    await remember(store, Released(pull.event.id))
    push = HeldPush(event=an_event(), due_at=START)
    await remember(store, PushHeld(push))
    assert [await has_due(START - n * second) for n in (0, 1, 4, 30, 31)] == [True, False, False, False, True]
