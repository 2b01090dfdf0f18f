"""Targets that answered 410 Gone, with a real store."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sidecar.dispatcher.disabled import DisabledSnapshot
from sidecar.dispatcher.request import make_tls_contexts
from sidecar.dispatcher.target_registry import TargetRegistry
from sidecar.model.delivery import TargetKey
from sidecar.model.secrets import Secret
from sidecar.policies.policy import WebhookPolicy
from sidecar.policies.target import Target
from sidecar.store.disabled import DisabledTargets
from sidecar.store.sqlite import SqliteDatabase
from tests.support.builders import START

KEY, SECOND_KEY = (TargetKey(policy_id="prj/ci", target_id=name) for name in "ab")
TARGET, SECOND = Target(address="https://ci.example/hook"), Target(address="https://second.example/")
POLICY = WebhookPolicy(id="prj/ci", project="prj", name="ci", targets=(TARGET,))
BOTH = replace(POLICY, targets=(TARGET, SECOND))
TLS = make_tls_contexts()


class Setting:
    """A store and the configuration."""

    def __init__(self, database: SqliteDatabase) -> None:
        self.stored = DisabledTargets(database)
        self.targets = {KEY: (POLICY, TARGET)}
        self.registry = TargetRegistry(lambda: dict(self.targets), lambda: True, TLS, {})
        self.registry.refresh()
        self.snapshot = self.a_snapshot()

    def a_snapshot(self) -> DisabledSnapshot:
        """As after a restart."""
        return DisabledSnapshot(self.stored, self.registry)

    def configure(self, targets: dict[TargetKey, tuple[WebhookPolicy, Target]]) -> None:
        self.targets = targets
        self.registry.refresh()
        self.snapshot.policies_changed()

    async def listed(self) -> list[TargetKey]:
        return [entry.target for entry in await self.stored.all()]


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    database = SqliteDatabase(tmp_path / "store.db")
    database.open()
    yield Setting(database)
    database.close()


async def test_a_target_is_disabled_at_once_and_for_the_next_process_when_it_is_stored(
    setting: Setting,
) -> None:
    setting.snapshot.add(KEY, at=START)
    assert "410" in setting.snapshot.reason_of(KEY)
    assert await setting.listed() == []
    await setting.snapshot.store(KEY)
    assert await setting.listed() == [KEY]
    later = setting.a_snapshot()
    assert (later.reason_of(KEY), later.number) == ("", 0)
    await later.follow()
    assert "410" in later.reason_of(KEY)
    assert later.number == 1


async def test_who_takes_a_target_off_the_list_is_followed(setting: Setting) -> None:
    setting.snapshot.add(KEY, at=START)
    await setting.snapshot.store(KEY)
    await setting.stored.enable([KEY])
    assert setting.snapshot.reason_of(KEY)
    await setting.snapshot.follow()
    assert setting.snapshot.reason_of(KEY) == ""


async def test_what_is_not_stored_yet_is_stored_before_the_list_is_read(setting: Setting) -> None:
    setting.snapshot.add(KEY, at=START)
    await setting.snapshot.follow()
    assert setting.snapshot.reason_of(KEY)
    assert await setting.listed() == [KEY]


async def test_a_list_that_was_read_before_a_target_was_put_on_it_is_not_taken(setting: Setting) -> None:
    reading = asyncio.ensure_future(setting.snapshot.follow())
    await asyncio.sleep(0)  # it has asked the store
    setting.snapshot.add(KEY, at=START)
    await reading
    assert setting.snapshot.reason_of(KEY)
    await setting.snapshot.store(KEY)
    await setting.snapshot.follow()
    assert setting.snapshot.reason_of(KEY)


async def test_a_target_stays_disabled_until_its_own_address_changes(setting: Setting) -> None:
    setting.snapshot.add(KEY, at=START)
    other = TargetKey(policy_id="prj/other", target_id="0")
    renamed = replace(POLICY, name="renamed"), replace(TARGET, auth_header=Secret("new"))
    setting.configure({KEY: renamed, other: (POLICY, TARGET)})
    await setting.snapshot.follow()
    assert setting.snapshot.reason_of(KEY)
    assert (setting.snapshot.reason_of(other), setting.snapshot.number) == ("", 1)
    setting.configure({KEY: (POLICY, Target(address="https://new.example/"))})
    assert (setting.snapshot.reason_of(KEY), setting.snapshot.number) == ("", 0)
    await setting.snapshot.follow()
    assert await setting.listed() == []


@pytest.mark.parametrize("targets", [{}, {KEY: (POLICY, Target(address="https://new.example/"))}])
async def test_what_an_earlier_process_listed_of_another_address_or_a_removed_policy_goes(
    setting: Setting, targets: dict[TargetKey, tuple[WebhookPolicy, Target]]
) -> None:
    setting.snapshot.add(KEY, at=START)
    await setting.snapshot.store(KEY)
    setting.configure(targets)
    later = setting.a_snapshot()
    await later.follow()
    assert (later.reason_of(KEY), later.number) == ("", 0)
    assert await setting.listed() == []


async def test_a_disabled_target_stays_so_wherever_it_stands_in_its_policy(setting: Setting) -> None:
    setting.configure({KEY: (BOTH, TARGET), SECOND_KEY: (BOTH, SECOND)})
    setting.snapshot.add(SECOND_KEY, at=START)
    await setting.snapshot.store(SECOND_KEY)
    setting.configure({KEY: (BOTH, SECOND), SECOND_KEY: (BOTH, TARGET)})
    assert "410" in setting.snapshot.reason_of(KEY), "at once"
    assert setting.snapshot.reason_of(SECOND_KEY) == ""
    await setting.snapshot.follow()
    assert await setting.listed() == [KEY]
    setting.configure({KEY: (BOTH, TARGET), SECOND_KEY: (BOTH, SECOND)})
    later = setting.a_snapshot()
    await later.follow()
    assert (later.reason_of(KEY), "410" in later.reason_of(SECOND_KEY)) == ("", True)
    assert await setting.listed() == [SECOND_KEY]


async def test_a_target_that_was_removed_meanwhile_is_not_disabled(setting: Setting) -> None:
    setting.configure({})
    setting.snapshot.add(KEY, at=START)
    await setting.snapshot.store(KEY)
    assert (setting.snapshot.number, await setting.listed()) == (0, [])
