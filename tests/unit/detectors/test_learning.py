"""What is remembered of an exchange, and what is not written again because it is known."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from sidecar.detectors.learning import learnt
from sidecar.model.changes import Changes, ManifestLearnt, TagLearnt, TraceLeft
from sidecar.model.exchange import Exchange, Outcome
from sidecar.model.memory import SeenManifest, SeenTag, Snapshot
from sidecar.model.names import Digest, parse_reference, repository_of
from sidecar.model.operation import GetManifest, HeadManifest, Operation, PutManifest
from tests.support.builders import DOCKER, START, a_digest, a_manifest, about, digest_of

APP = repository_of("prj/app", default_project="library")
IMAGE, OTHER = a_manifest("image"), Digest(a_digest("other"))
DIGEST = digest_of(IMAGE)
SECOND = timedelta(seconds=1)
PUT, GET, HEAD = (kind(APP, parse_reference("v1")) for kind in (PutManifest, GetManifest, HeadManifest))


def an_exchange(operation: Operation, at: datetime = START, **more: Any) -> Exchange:
    status = 201 if isinstance(operation, PutManifest) else 200
    known: dict[str, Any] = {"id": UUID(int=1), "client": DOCKER, "began_at": at, "answered_at": at}
    return Exchange(
        operation=operation, status=status, outcome=Outcome.COMPLETED, **known | about(IMAGE) | more
    )


def tag_after(
    operation: Operation, before: SeenTag | None, *, at: datetime = START, now: datetime = START
) -> SeenTag | None:
    snapshot = Snapshot(named={"v1": before} if before else {})
    changes = learnt(an_exchange(operation, at), snapshot, now=now)
    return next((change.seen for change in changes if isinstance(change, TagLearnt)), None)


@pytest.mark.parametrize(("operation", "moved_at"), [(PUT, START), (GET, None), (HEAD, None)])
def test_a_tag_that_nobody_knew_was_moved_only_if_it_was_pushed(
    operation: Operation, moved_at: datetime | None
) -> None:
    assert tag_after(operation, None) == SeenTag(digest=DIGEST, seen_at=START, moved_at=moved_at)


@pytest.mark.parametrize("operation", [PUT, GET])
def test_a_tag_that_named_something_else_was_moved_whoever_sees_it(operation: Operation) -> None:
    before = SeenTag(digest=OTHER, seen_at=START - SECOND, moved_at=START - SECOND)
    assert tag_after(operation, before) == SeenTag(digest=DIGEST, seen_at=START, moved_at=START)


def test_what_was_seen_later_stands_whatever_the_order_of_learning() -> None:
    later = SeenTag(digest=OTHER, seen_at=START + SECOND)
    assert tag_after(PUT, later, now=START + 2 * SECOND) is None  # reconciled later, happened before


def test_a_tag_learnt_before_the_clock_was_set_back_is_learnt_anew() -> None:
    ahead = SeenTag(digest=OTHER, seen_at=START + timedelta(hours=1))
    assert tag_after(PUT, ahead) == SeenTag(digest=DIGEST, seen_at=START, moved_at=START)
    same = replace(ahead, digest=DIGEST)
    assert tag_after(GET, same) == SeenTag(digest=DIGEST, seen_at=START)


@pytest.mark.parametrize(
    ("operation", "age_s", "is_written"),
    [(GET, 0.9, False), (GET, 1, True), (HEAD, 0, False), (PUT, 0, True)],
)
def test_a_tag_that_many_read_is_not_written_for_each(
    operation: Operation, age_s: float, *, is_written: bool
) -> None:
    before = SeenTag(digest=DIGEST, seen_at=START - age_s * SECOND, moved_at=START - timedelta(days=1))
    after = tag_after(operation, before)
    assert after == (replace(before, seen_at=START) if is_written else None)


def manifests_in(changes: Changes) -> list[ManifestLearnt]:
    return [change for change in changes if isinstance(change, ManifestLearnt)]


@pytest.mark.parametrize(("age_s", "is_written"), [(0, False), (3599, False), (3600, True), (-1, True)])
def test_a_manifest_that_is_known_so_is_not_written_again_within_the_hour(
    age_s: float, *, is_written: bool
) -> None:
    (first,) = manifests_in(learnt(an_exchange(GET), Snapshot(), now=START))
    seen = Snapshot(manifests={DIGEST: SeenManifest(first.known, START - age_s * SECOND)})
    assert bool(manifests_in(learnt(an_exchange(GET), seen, now=START))) == is_written


def test_a_manifest_that_is_known_otherwise_is_written() -> None:
    (first,) = manifests_in(learnt(an_exchange(GET), Snapshot(), now=START))
    seen = Snapshot(manifests={DIGEST: SeenManifest(replace(first.known, is_attached=True), START)})
    assert manifests_in(learnt(an_exchange(GET), seen, now=START)) == [first]


def test_a_push_leaves_a_trace_and_a_pull_none() -> None:
    assert [type(c) for c in learnt(an_exchange(PUT), Snapshot(), now=START)][-1] is TraceLeft
    assert TraceLeft not in map(type, learnt(an_exchange(GET), Snapshot(), now=START))


def test_each_tag_that_a_push_creates_is_learnt_once() -> None:
    put = PutManifest(APP, parse_reference(DIGEST))
    changes = learnt(an_exchange(put, oci_tags=("a", "b", "a")), Snapshot(), now=START)
    assert [change.tag for change in changes if isinstance(change, TagLearnt)] == ["a", "b"]


def test_an_answer_that_depends_on_accept_says_nothing_of_the_tag() -> None:
    changes = learnt(an_exchange(GET, depends_on_accept=True), Snapshot(), now=START)
    assert [type(change) for change in changes] == [ManifestLearnt]
