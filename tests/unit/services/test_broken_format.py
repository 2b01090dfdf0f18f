"""One format's bug costs no other target its delivery, and what it cost is made up for after the fix."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sidecar.config import Settings
from sidecar.model.delivery import DeliveryState
from sidecar.policies.policy import WebhookPolicy
from sidecar.policies.target import PayloadFormat, Target, TargetType
from sidecar.services.reencode import reencode
from sidecar.store.history import Chosen, History
from sidecar.store.offline import Connection, open_offline
from sidecar.store.redelivery import find_unencoded, redeliver
from tests.support.builders import START
from tests.unit.recording.test_recorder import SETTINGS, Line, a_push

TARGETS = {
    "documented": Target(address="http://127.0.0.1:9/documented"),
    "default": Target(address="http://127.0.0.1:9/default", payload_format=PayloadFormat.DEFAULT),
    "cloudevents": Target(address="http://127.0.0.1:9/cloud", payload_format=PayloadFormat.CLOUDEVENTS),
    "cdevents": Target(address="http://127.0.0.1:9/cd", payload_format=PayloadFormat.CDEVENTS),
    "template": Target(
        address="http://127.0.0.1:9/template",
        payload_format=PayloadFormat.TEMPLATE,
        template='{"tag": {{ event.tag | tojson }}}',
    ),
    "slack": Target(address="http://127.0.0.1:9/slack", type=TargetType.SLACK),
    "teams": Target(address="http://127.0.0.1:9/teams", type=TargetType.TEAMS),
}
POLICY = WebhookPolicy(id="prj/ci", project="prj", name="ci", targets=tuple(TARGETS.values()))
CHOSEN = replace(SETTINGS, policies=(POLICY, replace(POLICY, id="prj/second", name="second")))


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    line = Line(tmp_path, CHOSEN)
    yield line
    line.database.close()


@pytest.fixture
def connection(line: Line, tmp_path: Path) -> Iterator[Connection]:
    with open_offline(tmp_path / "store.db", writable=True) as connection:
        yield connection


@pytest.mark.parametrize("broken", TARGETS)
@pytest.mark.parametrize(
    "error",
    [KeyError("platform"), RecursionError(), ValueError("\ud800\x00"), UnspeakableError()],
    ids=lambda error: type(error).__name__,
)
async def test_others_get_theirs_and_the_failed_one_is_sent_after_the_fix(
    *,
    line: Line,
    connection: Connection,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    broken: str,
    error: Exception,
) -> None:
    def raises(*_: Any) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(f"sidecar.formats.{broken}.encode", raises)
        await line.pipeline.record(a_push())
    history = History(connection)
    deliveries = history.deliveries(Chosen(), limit=99)
    assert len(deliveries) == 2 * len(TARGETS)
    number = list(TARGETS).index(broken)
    failed = [found for found in deliveries if found.position == number]
    others = [found for found in deliveries if found.position != number]
    assert {found.state for found in failed} == {DeliveryState.GIVEN_UP}
    assert all(found.reason.startswith(f"the format failed: {type(error).__name__}") for found in failed)
    assert all(found.state is DeliveryState.WAITING and history.body(found.id) for found in others)

    unencoded = find_unencoded(connection, [found.id for found in failed])
    loaded = replace(settings, policies=CHOSEN.policies)
    assert reencode(connection, unencoded, loaded) == {}
    assert redeliver(connection, [found.id for found in failed], at=START) == len(failed)
    assert all(history.body(found.id) for found in failed)
    assert {found.state for found in history.deliveries(Chosen(), limit=99)} == {DeliveryState.WAITING}
