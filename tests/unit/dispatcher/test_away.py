"""What the store keeps of targets that are left alone."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from sidecar.dispatcher.away import AwayNotes
from sidecar.dispatcher.request import make_tls_contexts
from sidecar.dispatcher.target_registry import TargetRegistry
from sidecar.model.delivery import Accepted, Rejected, TargetKey, Unreachable
from sidecar.policies.policy import WebhookPolicy
from sidecar.policies.target import Target
from sidecar.queue.circuit_breaker import CircuitBreaker
from sidecar.store.away import AwayTargets
from sidecar.store.sqlite import SqliteDatabase
from tests.support.builders import START

KEY = TargetKey(policy_id="prj/ci", target_id="0")
REMOVED = TargetKey(policy_id="prj/ci", target_id="1")
TARGET = Target(address="https://ci.example/hook")
POLICY = WebhookPolicy(id="prj/ci", project="prj", name="ci", targets=(TARGET,))
MINUTE = timedelta(minutes=1)
AT_S = 1000.0


class Setting:
    """A store, the configuration and a clock that stands."""

    def __init__(self, database: SqliteDatabase) -> None:
        self.stored = AwayTargets(database)
        self.targets = {KEY: (POLICY, TARGET)}
        self.registry = TargetRegistry(lambda: dict(self.targets), lambda: True, make_tls_contexts(), {})
        self.registry.refresh()
        self.now = START

    def notes(self) -> AwayNotes:
        return AwayNotes(self.stored, self.registry, lambda: self.now)


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    database = SqliteDatabase(tmp_path / "store.db")
    database.open()
    yield Setting(database)
    database.close()


REFUSED = Unreachable("connection refused")


def paused(seconds: float, *, since: datetime = START - MINUTE) -> CircuitBreaker:
    return CircuitBreaker(failing_since=since, in_a_row=5, paused_until_s=AT_S + seconds)


async def test_a_pause_is_noted_with_its_beginning_end_and_reason(setting: Setting) -> None:
    await setting.notes().take_notice(KEY, REFUSED, paused(60), at_s=AT_S)
    (away,) = await setting.stored.all()
    assert (away.target, away.reason) == (KEY, "connection refused")
    assert (away.since, away.until) == (START - MINUTE, START + MINUTE)
    assert away.is_about(TARGET.address)


async def test_a_failure_without_a_pause_is_nothing_to_tell(setting: Setting) -> None:
    notes = setting.notes()
    await notes.take_notice(KEY, REFUSED, paused(0), at_s=AT_S)
    await notes.take_notice(REMOVED, REFUSED, paused(60), at_s=AT_S)
    assert await setting.stored.all() == []


async def test_the_next_pause_has_the_first_beginning_also_for_another_process(setting: Setting) -> None:
    await setting.notes().take_notice(KEY, REFUSED, paused(60), at_s=AT_S)
    setting.now += 5 * MINUTE
    later = setting.notes()
    await later.follow()
    await later.take_notice(KEY, Rejected(503), paused(60, since=setting.now), at_s=AT_S)
    (away,) = await setting.stored.all()
    assert (away.since, away.until, away.reason) == (START - MINUTE, START + 6 * MINUTE, "answered 503")


async def test_the_first_that_is_accepted_ends_it(setting: Setting) -> None:
    notes = setting.notes()
    await notes.take_notice(KEY, REFUSED, paused(60), at_s=AT_S)
    await notes.take_notice(KEY, Accepted(200), CircuitBreaker(), at_s=AT_S)
    assert await setting.stored.all() == []


async def test_a_changed_configuration_ends_it(setting: Setting) -> None:
    notes = setting.notes()
    await notes.take_notice(KEY, REFUSED, paused(60), at_s=AT_S)
    await notes.follow()
    assert await setting.stored.all()
    notes.void()
    await notes.follow()
    assert await setting.stored.all() == []


async def test_what_an_earlier_process_said_of_another_address_is_forgotten(setting: Setting) -> None:
    await setting.notes().take_notice(KEY, REFUSED, paused(60), at_s=AT_S)
    setting.targets = {KEY: (POLICY, Target(address="https://other.example/"))}
    setting.registry.refresh()
    await setting.notes().follow()
    assert await setting.stored.all() == []
