"""One event for one push that is refused, as real clients push, and try again, and push again."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from sidecar.model.event import EventType
from sidecar.model.exchange import Client, Exchange, Outcome, Refusal
from sidecar.model.names import parse_digest, parse_reference, repository_of
from sidecar.model.operation import (
    HeadBlob,
    HeadManifest,
    Operation,
    Ping,
    PutManifest,
    UploadStep,
    WriteBlob,
    parse_operation,
)
from sidecar.quota.rules import RejectionRule
from sidecar.recording.recorder import RecorderSettings
from tests.support.builders import DOCKER, SKOPEO, START, a_digest
from tests.unit.recording.test_recorder import POLICY, SETTINGS, Line

Json = dict[str, Any]

RECORDED: list[Json] = json.loads((Path(__file__).parents[2] / "golden" / "refused-pushes.json").read_text())
APP = repository_of("prj/app", default_project="library")
OTHER_APP = repository_of("prj/other", default_project="library")
CRANE = replace(DOCKER, user_agent="crane/v0.21.9 go-containerregistry/v0.21.9")
#: What matters here is who asked when, not what for.
ANY = RejectionRule(name="any", statuses=frozenset({403, 413, 429, 500, 507}))
FOLLOWED = replace(SETTINGS, rejections=(ANY,))


class Scene:
    """Requests to a pipeline on a real store, each at its time in seconds."""

    def __init__(self, path: Path, settings: RecorderSettings = FOLLOWED) -> None:
        self.path = path
        self.line = Line(path, settings)

    def at(self, second: float) -> None:
        self.line.clock.now = START + timedelta(seconds=second)
        self.line.monotonic_s = second

    def restart(self, settings: RecorderSettings = FOLLOWED) -> None:
        """Another process on the same store; what was counted goes on."""
        counted, monotonic_s = self.line.counted, self.line.monotonic_s
        self.line.database.close()
        self.line = Line(self.path, settings, monotonic_s=monotonic_s)
        self.line.counted[:] = counted

    async def ping(self, second: float, client: Client = DOCKER) -> None:
        self.at(second)
        if self.line.pipeline.is_observed(Ping()):
            self.line.pipeline.saw_ping(replace(client, operator=""))

    async def request(
        self, operation: Operation, began_s: float, ended_s: float, status: int, client: Client = DOCKER
    ) -> None:
        pipeline = self.line.pipeline
        self.at(began_s)
        if isinstance(operation, WriteBlob):
            pipeline.saw_upload(client, operation.repository, self.line.clock.now)
        began_at = self.line.clock.now
        self.at(ended_s)
        exchange = Exchange(
            id=uuid4(),
            operation=operation,
            client=client,
            began_at=began_at,
            answered_at=self.line.clock.now,
            status=status,
            outcome=Outcome.COMPLETED,
            refusal=Refusal(content=b"", content_type="") if status >= 400 else None,
        )
        if isinstance(operation, HeadBlob):
            pipeline.saw_blob_question(client, operation.repository, operation.digest)
        elif not isinstance(operation, WriteBlob) or status >= 400:
            await pipeline.record(exchange)
        if isinstance(operation, WriteBlob):
            pipeline.saw_upload(client, operation.repository, began_at)

    async def upload(
        self, second: float, status: int = 403, *, ended_s: float | None = None, client: Client = DOCKER
    ) -> None:
        operation = WriteBlob(APP, UploadStep.PIECE)
        await self.request(operation, second, second if ended_s is None else ended_s, status, client)

    async def events(self) -> int:
        await self.line.written()
        return self.line.counted.count(EventType.QUOTA_EXCEED)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    it = Scene(tmp_path)
    yield it
    it.line.database.close()


def _operation(method: str, path: str) -> Operation:
    whole = re.sub(r"(sha256:)([0-9a-f]{8})$", lambda found: found[1] + found[2] * 8, path)
    return parse_operation(method, whole, SETTINGS.routes)


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda found: f"{found['client']} {found['refused']}")
async def test_each_push_of_a_real_client_is_one_event(scene: Scene, recorded: Json) -> None:
    agent = recorded["user_agent"]
    for began_s, ended_s, method, path, status, connection, is_known in recorded["requests"]:
        user = "alice" if is_known else ""
        client = Client(address="10.0.0.1", operator=user, user_agent=agent, connection=str(connection))
        operation = _operation(method, path)
        if isinstance(operation, Ping):
            await scene.ping(ended_s, client)
        elif scene.line.pipeline.is_observed(operation) and status not in {401, 416}:
            await scene.request(operation, began_s, ended_s, status, client)
    assert await scene.events() == recorded["pushes"]


async def test_layers_refused_in_parallel_and_again_are_one_event(scene: Scene) -> None:
    """docker: five times in 50 s for each layer."""
    for second in (0, 5, 15, 30, 50):
        for layer in range(4):
            await scene.upload(second + layer * 0.02, 500)
    assert await scene.events() == 1


async def test_a_layer_that_takes_minutes_until_it_is_refused_again_is_the_same_push(scene: Scene) -> None:
    await scene.upload(0, 507)
    await scene.upload(5, 507, ended_s=400)
    await scene.upload(420, 507)
    assert await scene.events() == 1


@pytest.mark.parametrize("status", [403, 500])
async def test_a_large_layer_that_began_minutes_before_the_first_refusal_is_the_same_push(
    scene: Scene, status: int
) -> None:
    await scene.upload(200, status)
    await scene.upload(0, status, ended_s=205)
    assert await scene.events() == 1


@pytest.mark.parametrize("began_s", [0, 101])
async def test_a_large_layer_that_is_taken_meanwhile_keeps_the_push_going(
    scene: Scene, began_s: float
) -> None:
    """The file system is full when it is to be put in its place."""
    await scene.upload(100, 500)
    await scene.upload(began_s, 202, ended_s=400)
    await scene.upload(400, 500)
    assert await scene.events() == 1


async def test_layers_that_were_on_their_way_are_the_same_push(scene: Scene) -> None:
    await scene.upload(0, 403)
    await scene.upload(0, 403, ended_s=300)
    assert await scene.events() == 1


@pytest.mark.parametrize(("status", "pause_s"), [(403, 15), (413, 15), (500, 60), (507, 60)])
async def test_a_push_after_a_pause_is_another_event(scene: Scene, status: int, pause_s: float) -> None:
    await scene.upload(0, status)
    await scene.upload(pause_s, status)
    assert await scene.events() == 2


async def test_a_push_right_after_the_first_has_ended_is_another_event(scene: Scene) -> None:
    for start in (0.0, 50.5):
        await scene.ping(start)
        for second in (0.1, 5, 15, 30, 50):
            await scene.upload(start + second, 500)
    assert await scene.events() == 2


async def test_what_is_still_refused_of_the_first_push_when_the_second_has_begun_is_no_event(
    scene: Scene,
) -> None:
    await scene.upload(0, 403)
    slow = scene.upload(0.1, 403, ended_s=2.0)
    await scene.ping(1.0)
    await scene.upload(1.1, 403)
    await slow
    assert await scene.events() == 2


async def test_what_is_still_refused_while_the_second_push_asks_its_first_question_does_not_hide_that(
    scene: Scene,
) -> None:
    asked = HeadManifest(APP, parse_reference("v1"))
    await scene.upload(0, 403)
    await scene.ping(1.0)
    await scene.upload(0.1, 403, ended_s=1.3)
    await scene.request(asked, 1.1, 1.5, 404)
    await scene.upload(1.6, 403)
    assert await scene.events() == 2


async def test_what_is_still_refused_while_oras_asks_for_its_manifest_again_does_not_hide_that(
    scene: Scene,
) -> None:
    oras = replace(DOCKER, user_agent="oras/1.3.0")
    asked = HeadManifest(APP, parse_reference(a_digest("manifest")))
    await scene.request(asked, 0, 0, 404, oras)
    await scene.upload(0.1, 403, client=oras)
    await scene.upload(0.1, 403, ended_s=1.3, client=oras)
    await scene.request(asked, 1.1, 1.5, 404, oras)
    await scene.upload(1.6, 403, client=oras)
    assert await scene.events() == 2


async def test_a_second_push_by_digest_of_what_is_there_is_another_event(scene: Scene) -> None:
    """Its blobs were taken before: it asks for them, then only the manifest is refused."""
    put = PutManifest(APP, parse_reference("v1"))
    for start in (0.0, 1.0):
        await scene.ping(start)
        await scene.request(put, start + 0.1, start + 0.1, 403)
    assert await scene.events() == 2


async def test_another_tag_is_another_push(scene: Scene) -> None:
    for tag in ("v1", "v2", "v2"):
        await scene.request(PutManifest(APP, parse_reference(tag)), 1, 1, 403)
    assert await scene.events() == 2


async def test_children_of_an_index_are_one_push(scene: Scene) -> None:
    for number in range(3):
        await scene.request(PutManifest(APP, parse_reference(a_digest(str(number)))), 1, 1, 403)
    assert await scene.events() == 1


async def test_other_clients_and_other_repositories_are_other_pushes(scene: Scene) -> None:
    for client in (DOCKER, SKOPEO, replace(DOCKER, operator="bob"), replace(DOCKER, address="10.9.9.9")):
        await scene.upload(1, 403, client=client)
    await scene.request(WriteBlob(OTHER_APP, UploadStep.START), 1, 1, 403)
    assert await scene.events() == 5


async def test_somebody_else_with_the_same_client_begins_nothing_for_this_push(scene: Scene) -> None:
    """Behind one address many use docker: a ping is followed by what it was for."""
    await scene.upload(0, 500)
    await scene.ping(4.9)
    await scene.request(HeadBlob(OTHER_APP, parse_digest(a_digest("layer"))), 4.95, 4.95, 404)
    await scene.upload(5, 500)
    await scene.ping(8)  # docker login: nothing follows
    await scene.upload(15, 500)
    assert await scene.events() == 1


async def test_what_was_decided_survives_a_restart(scene: Scene) -> None:
    await scene.upload(0, 500)
    scene.restart()
    await scene.upload(5, 500)
    assert await scene.events() == 1
    scene.restart()
    await scene.ping(6)
    await scene.upload(6.1, 500)
    assert await scene.events() == 2


async def test_a_clock_that_was_set_back_merges_nothing_for_hours(scene: Scene) -> None:
    await scene.upload(7200, 500)
    await scene.upload(100, 500)
    assert await scene.events() == 2


async def test_what_another_worker_saw_counts_too(tmp_path: Path) -> None:
    scene = Scene(tmp_path, replace(FOLLOWED, several_workers=True))
    other = Scene(tmp_path, replace(FOLLOWED, several_workers=True))
    await scene.upload(0, 500)
    await other.upload(5, 500)
    await other.ping(6)
    await other.events()
    await scene.upload(6.1, 500)
    assert (await scene.events(), await other.events()) == (2, 0)
    scene.line.database.close()
    other.line.database.close()


async def test_exact_mode_counts_what_harbor_counts(tmp_path: Path) -> None:
    scene = Scene(tmp_path, replace(FOLLOWED, grouped=False))
    for step in (UploadStep.START, UploadStep.PIECE, UploadStep.END, UploadStep.END):
        await scene.request(WriteBlob(APP, step), 1, 1, 403)
    await scene.request(PutManifest(APP, parse_reference("v1")), 1, 1, 403)
    assert await scene.events() == 4
    scene.line.database.close()


async def test_nothing_is_noted_where_nobody_wants_to_hear_of_it(tmp_path: Path) -> None:
    policy = replace(POLICY, event_types=frozenset({EventType.IMAGE_PUSH}))
    scene = Scene(tmp_path, replace(FOLLOWED, policies=(policy,)))
    await scene.upload(1, 403)
    assert not scene.line.pipeline.is_observed(Ping())
    assert await scene.events() == 0
    scene.line.database.close()


async def test_a_ping_is_looked_at_only_while_a_refused_push_may_go_on(scene: Scene) -> None:
    scene.at(1000)
    assert not scene.line.pipeline.is_observed(Ping())
    await scene.upload(1000, 403)
    assert scene.line.pipeline.is_observed(Ping())
    scene.at(2000)
    assert not scene.line.pipeline.is_observed(Ping())


async def test_crane_asks_for_blobs_again_when_it_tries_again(scene: Scene) -> None:
    asked = HeadBlob(APP, parse_digest(a_digest("layer")))
    for second in (0, 1, 4):
        await scene.request(asked, second, second, 404, CRANE)
        await scene.upload(second + 0.1, 500, client=CRANE)
    assert await scene.events() == 1


@pytest.mark.parametrize("status", [401, 404, 416])
async def test_usual_course_of_an_upload_is_no_event(scene: Scene, status: int) -> None:
    scene.line.pipeline.apply(replace(FOLLOWED, rejections=(RejectionRule(name="any", texts=("",)),)))
    await scene.upload(0, status)
    assert await scene.events() == 0


async def test_an_upstream_that_does_not_answer_has_refused_nothing(scene: Scene) -> None:
    gateway = RejectionRule(name="gateway", statuses=frozenset({502}))
    scene.line.pipeline.apply(replace(FOLLOWED, rejections=(gateway,)))
    unanswered = Exchange(
        id=uuid4(),
        operation=PutManifest(APP, parse_reference("v1")),
        client=DOCKER,
        began_at=START,
        answered_at=START,
        status=502,
        outcome=Outcome.UPSTREAM_FAILED,
    )
    await scene.line.pipeline.record(unanswered)
    assert await scene.events() == 0
    await scene.request(unanswered.operation, 1, 1, 502)
    assert await scene.events() == 1


async def test_who_pulls_and_pushes_elsewhere_does_not_keep_pings_looked_at(scene: Scene) -> None:
    await scene.upload(0, 403)
    for second in range(1, 100, 3):
        await scene.upload(second, 202, client=SKOPEO)
    assert not scene.line.pipeline.is_observed(Ping())


async def test_oras_gives_another_tag_to_what_is_there_twice(scene: Scene) -> None:
    """It asks for the manifest by digest, which is there, and only then puts it: once for each push."""
    oras = replace(DOCKER, user_agent="oras/1.3.0")
    asked = HeadManifest(APP, parse_reference(a_digest("there")))
    put = PutManifest(APP, parse_reference("v2"))
    for start in (0.0, 7.3, 14.6):
        await scene.request(asked, start, start, 200, oras)
        for second in (0.01, 0.25, 0.75, 1.8, 4.0, 7.0):
            await scene.request(put, start + second, start + second, 500, oras)
    assert await scene.events() == 3


async def test_who_pulls_by_digest_behind_one_address_begins_no_push(scene: Scene) -> None:
    containerd = replace(DOCKER, user_agent="containerd/1.6.20")
    asked = HeadManifest(APP, parse_reference(a_digest("there")))
    for second in (0, 5, 10):
        await scene.request(asked, second, second, 200, containerd)
        await scene.upload(second + 1, 500, client=containerd)
    assert await scene.events() == 1


async def test_containerd_that_asks_for_its_last_blob_when_others_are_refused_pushes_once(
    scene: Scene,
) -> None:
    ctr = replace(DOCKER, user_agent="containerd/1.6.20")
    for start in (0.0, 3.0):
        for number in range(3):
            at = start + number / 4
            asked = HeadBlob(APP, parse_digest(a_digest(str(number))))
            await scene.request(asked, at, at, 404, ctr)
            await scene.upload(at + 0.1, 413, client=ctr)
    assert await scene.events() == 2
