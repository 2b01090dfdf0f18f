"""A delivery whose template failed: kept visibly, left alone by redelivery, made again with a better template."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from sidecar.config import Settings
from sidecar.model.delivery import DeliveryState
from sidecar.model.event import EventType
from sidecar.policies.policy import Project, WebhookPolicy
from sidecar.policies.target import PayloadFormat, Target
from sidecar.services.reencode import reencode
from sidecar.store.history import FAILED, Chosen, History
from sidecar.store.offline import Connection, open_offline
from sidecar.store.redelivery import find_all_unencoded, find_unencoded, redeliver, redeliver_all
from tests.support.builders import START
from tests.unit.recording.test_recorder import SETTINGS, Line, a_push

BROKEN, MENDED = "{{ event.platforms | tojson }}", '{"tag": {{ event.tag | tojson }}}'


def a_policy(name: str, template: str = "") -> WebhookPolicy:
    target = Target(
        address="http://127.0.0.1:9/hook",
        payload_format=PayloadFormat.TEMPLATE if template else PayloadFormat.DOCUMENTED,
        template=template,
    )
    return WebhookPolicy(id=f"prj/{name}", project="prj", name=name, targets=(target,))


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    policies = (a_policy("ci", BROKEN), a_policy("other"))
    line = Line(tmp_path, replace(SETTINGS, policies=policies))
    yield line
    line.database.close()


@pytest.fixture
def connection(line: Line, tmp_path: Path) -> Iterator[Connection]:
    with open_offline(tmp_path / "store.db", writable=True) as connection:
        yield connection


async def a_failure(line: Line, connection: Connection) -> UUID:
    await line.pipeline.record(a_push())
    (failed,) = History(connection).deliveries(Chosen(policy_id="prj/ci"), limit=9)
    return failed.id


def states(connection: Connection) -> dict[str, DeliveryState]:
    kept = History(connection).deliveries(Chosen(), limit=9)
    return {delivery.target.policy_id: delivery.state for delivery in kept}


async def test_failed_template_is_kept_with_its_reason_and_disturbs_nobody(
    line: Line, connection: Connection
) -> None:
    await a_failure(line, connection)
    assert states(connection) == {"prj/ci": DeliveryState.GIVEN_UP, "prj/other": DeliveryState.WAITING}
    (failed,) = History(connection).deliveries(Chosen(policy_id="prj/ci"), limit=9)
    assert failed.reason == "the template failed: line 1: there is no 'platforms'"
    assert (failed.next_attempt_at, failed.attempts) == (None, 0)
    assert failed.finished_at
    assert line.counted == [EventType.IMAGE_PUSH]
    assert line.ended == [DeliveryState.GIVEN_UP]


async def test_nothing_without_a_body_is_ever_sent(line: Line, connection: Connection) -> None:
    identity = await a_failure(line, connection)
    assert redeliver(connection, [identity], at=START) == 0
    chosen = Chosen(states=FAILED, since=START, until=START + timedelta(days=1))
    assert sum(redeliver_all(connection, chosen, at=START)) == 0
    assert states(connection)["prj/ci"] is DeliveryState.GIVEN_UP


async def test_mended_template_makes_it_and_then_it_is_sent(
    line: Line, connection: Connection, settings: Settings
) -> None:
    identity = await a_failure(line, connection)
    mended = replace(settings, policies=(a_policy("ci", MENDED),), projects=(Project(name="prj"),))
    assert reencode(connection, find_unencoded(connection, [identity]), mended) == {}
    assert History(connection).body(identity) == b'{"tag": "v1"}'
    assert redeliver(connection, [identity], at=START) == 1
    assert states(connection)["prj/ci"] is DeliveryState.WAITING
    (kept,) = History(connection).deliveries(Chosen(policy_id="prj/ci"), limit=9)
    assert (kept.id, kept.content_type) == (identity, "application/json")


async def test_all_of_a_range_are_found(line: Line, connection: Connection) -> None:
    identity = await a_failure(line, connection)
    chosen = Chosen(states=FAILED, since=START - timedelta(days=1), until=START + timedelta(days=1))
    assert [found.id for found in find_all_unencoded(connection, chosen)] == [identity]
    assert find_all_unencoded(connection, replace(chosen, policy_id="prj/other")) == []


@pytest.mark.parametrize(
    ("policies", "fault"),
    [
        ((a_policy("ci", BROKEN),), "the template failed: line 1: there is no 'platforms'"),
        ((), "its policy was removed or disabled, or does not want this event any more"),
        ((replace(a_policy("ci", MENDED), tags=("w*",)),), "its policy was removed or disabled, or does not"),
    ],
)
async def test_what_still_cannot_be_made_says_why(
    line: Line,
    connection: Connection,
    settings: Settings,
    policies: tuple[WebhookPolicy, ...],
    fault: str,
) -> None:
    identity = await a_failure(line, connection)
    faults = reencode(
        connection, find_unencoded(connection, [identity]), replace(settings, policies=policies)
    )
    assert faults[identity].startswith(fault)
    assert redeliver(connection, [identity], at=START) == 0


async def test_many_events_with_a_broken_template_stay_apart(line: Line, connection: Connection) -> None:
    await asyncio.gather(*(line.pipeline.record(a_push()) for _ in range(20)))
    assert History(connection).count(Chosen(states=(DeliveryState.GIVEN_UP,))) == 20
    assert History(connection).count(Chosen(states=(DeliveryState.WAITING,))) == 20
