"""What waits for a target that is gone: who gets it, also across a restart."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

import pytest

from sidecar.model.delivery import Delivery, TargetKey
from sidecar.store.outbox import Outbox
from sidecar.store.sqlite import SqliteDatabase
from tests.support.builders import START
from tests.unit.store.test_outbox import a_delivery, an_event, store

OLD, NEW = TargetKey(policy_id="prj/ci", target_id="old"), TargetKey(policy_id="prj/ci", target_id="new")
STAYS = TargetKey(policy_id="prj/ci", target_id="stays")
OTHER = TargetKey(policy_id="prj/cd", target_id="old")


@pytest.fixture
def outbox(database: SqliteDatabase) -> Outbox:
    return Outbox(database, run="this")


class Asked:
    """A decision that notes what it was asked."""

    def __init__(self, answer: Mapping[str, str]) -> None:
        self.answer = answer
        self.seen: dict[str, tuple[list[str], set[str]]] = {}

    def __call__(self, policy_id: str, before: Sequence[str], waiting: Collection[str]) -> Mapping[str, str]:
        self.seen[policy_id] = list(before), set(waiting)
        return self.answer if policy_id == "prj/ci" else {}


async def waits(outbox: Outbox, target: TargetKey) -> list[UUID]:
    return [job.id for job in (await outbox.claim(target, limit=10, now=START, skip=())).jobs]


def for_each(*targets: TargetKey) -> list[Delivery]:
    return [a_delivery(an_event(f"prj/{number}"), target) for number, target in enumerate(targets)]


async def test_what_waits_and_is_being_sent_is_handed_over_and_nothing_else(
    database: SqliteDatabase, outbox: Outbox
) -> None:
    sent, waiting, stays, other = for_each(OLD, OLD, STAYS, OTHER)
    await store(database, sent)
    assert await waits(outbox, OLD) == [sent.id]
    await store(database, waiting, stays, other)
    found = await outbox.apply_targets({"prj/ci": ["new", "stays"]}, Asked({"old": "new"}))
    assert found == {OLD: NEW}
    await outbox.release([sent])
    assert await waits(outbox, NEW) == [sent.id, waiting.id]
    assert [await waits(outbox, key) for key in (OLD, STAYS, OTHER)] == [[], [stays.id], [other.id]]


async def test_the_targets_before_are_known_in_their_order_and_those_that_something_waits_for(
    database: SqliteDatabase, outbox: Outbox
) -> None:
    first, again = Asked({}), Asked({})
    await outbox.apply_targets({"prj/ci": ["b", "a"], "prj/cd": ["c"]}, first)
    assert first.seen == {"prj/ci": ([], set()), "prj/cd": ([], set())}
    await store(database, *for_each(OLD, OTHER))
    await Outbox(database, run="next").apply_targets({"prj/ci": ["a"]}, again)
    assert again.seen == {"prj/ci": (["b", "a"], {"old"})}
    last = Asked({})
    await outbox.apply_targets({"prj/ci": ["a"], "prj/cd": ["c"]}, last)
    assert last.seen == {"prj/ci": (["a"], {"old"}), "prj/cd": ([], {"old"})}
