"""What the store is told of targets that are left alone."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from sidecar.dispatcher.absences import Absences
from sidecar.dispatcher.circuit_breaker import Outage
from sidecar.dispatcher.request import make_tls_contexts
from sidecar.dispatcher.target_registry import TargetRegistry
from sidecar.model.delivery import Accepted, Rejected, TargetKey, Unreachable
from sidecar.policies.policy import WebhookPolicy
from sidecar.policies.target import Target
from sidecar.store.away import AwayTargets
from sidecar.store.sqlite import SqliteDatabase
from tests.support.builders import START

KEY = TargetKey(policy_id="prj/ci", index=0)
REMOVED = TargetKey(policy_id="prj/ci", index=1)
TARGET = Target(address="https://ci.example/hook")
POLICY = WebhookPolicy(id="prj/ci", project="prj", name="ci", targets=(TARGET,))
MINUTE = timedelta(minutes=1)


class Setting:
    """A store, the configuration and a clock that stands."""

    def __init__(self, database: SqliteDatabase) -> None:
        self.kept = AwayTargets(database)
        self.targets = {KEY: (POLICY, TARGET)}
        self.book = TargetRegistry(lambda: dict(self.targets), lambda: True, make_tls_contexts(), {})
        self.book.refresh()
        self.now = START

    def absences(self) -> Absences:
        return Absences(self.kept, self.book, lambda: self.now)


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    database = SqliteDatabase(tmp_path / "store.db")
    database.open()
    yield Setting(database)
    database.close()


FAILING = Outage(failing_since=START - MINUTE)
REFUSED = Unreachable("connection refused")


async def test_a_pause_is_noted_with_its_beginning_end_and_reason(setting: Setting) -> None:
    await setting.absences().take_notice(KEY, FAILING, REFUSED, pause_s=60)
    (away,) = await setting.kept.all()
    assert (away.target, away.reason) == (KEY, "connection refused")
    assert (away.since, away.until) == (START - MINUTE, START + MINUTE)
    assert away.is_about(TARGET.address)


async def test_a_failure_without_a_pause_is_nothing_to_tell(setting: Setting) -> None:
    absences = setting.absences()
    await absences.take_notice(KEY, FAILING, REFUSED, pause_s=0)
    await absences.take_notice(REMOVED, FAILING, REFUSED, pause_s=60)
    assert await setting.kept.all() == []


async def test_the_next_pause_has_the_first_beginning_also_for_another_process(setting: Setting) -> None:
    await setting.absences().take_notice(KEY, FAILING, REFUSED, pause_s=60)
    setting.now += 5 * MINUTE
    later = setting.absences()
    await later.follow()
    await later.take_notice(KEY, Outage(failing_since=setting.now), Rejected(503), pause_s=60)
    (away,) = await setting.kept.all()
    assert (away.since, away.until, away.reason) == (START - MINUTE, START + 6 * MINUTE, "answered 503")


async def test_the_first_that_is_accepted_ends_it(setting: Setting) -> None:
    absences = setting.absences()
    await absences.take_notice(KEY, FAILING, REFUSED, pause_s=60)
    await absences.take_notice(KEY, Outage(), Accepted(200), pause_s=0)
    assert await setting.kept.all() == []


async def test_a_changed_configuration_ends_it(setting: Setting) -> None:
    absences = setting.absences()
    await absences.take_notice(KEY, FAILING, REFUSED, pause_s=60)
    await absences.follow()
    assert await setting.kept.all()
    absences.void()
    await absences.follow()
    assert await setting.kept.all() == []


async def test_what_an_earlier_process_said_of_another_address_is_forgotten(setting: Setting) -> None:
    await setting.absences().take_notice(KEY, FAILING, REFUSED, pause_s=60)
    setting.targets = {KEY: (POLICY, Target(address="https://other.example/"))}
    setting.book.refresh()
    await setting.absences().follow()
    assert await setting.kept.all() == []
