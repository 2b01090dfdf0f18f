"""What is read for an exchange: no more than decides about it."""

from typing import Any
from uuid import UUID

import pytest

from sidecar.detectors.scopes import remembered, scope_of, scope_of_intent
from sidecar.model.event import Chart
from sidecar.model.exchange import Exchange, Facts, Intent, Outcome, Remembered
from sidecar.model.memory import KnownManifest, Scope, SeenManifest, SeenTag, Snapshot, TraceKind
from sidecar.model.names import Digest, parse_reference, repository_of
from sidecar.model.operation import (
    DeleteManifest,
    GetManifest,
    HeadManifest,
    Operation,
    Other,
    PutManifest,
    Routes,
    UploadChart,
    UploadStep,
    WriteBlob,
)
from sidecar.quota.rules import Rejection
from tests.support.builders import DOCKER, START, a_digest, a_manifest, about, an_index, digest_of

APP = repository_of("prj/app", default_project="library")
IMAGE = a_manifest("image")
INDEX = an_index([(a_manifest("amd64"), "linux/amd64"), (a_manifest("arm64"), "linux/arm64")])
CHILDREN = tuple(digest_of(a_manifest(name)) for name in ("amd64", "arm64"))
DIGEST, OTHER = digest_of(IMAGE), Digest(a_digest("other"))
V1 = parse_reference("v1")
BY_DIGEST = parse_reference(DIGEST)
CHART = Chart(name="web", version="1.2.3", type="", size_bytes=1)


def an_exchange(operation: Operation, status: int = 200, **more: Any) -> Exchange:
    known: dict[str, Any] = {"id": UUID(int=1), "client": DOCKER, "began_at": START, "answered_at": START}
    return Exchange(operation=operation, status=status, outcome=Outcome.COMPLETED, **known | more)


def scope(operation: Operation, status: int = 200, *, grouped: bool = True, **more: Any) -> Scope | None:
    routes = Routes(chart_depth=1)
    rejection = more.pop("rejection", None)
    exchange = an_exchange(operation, status, **more)
    return scope_of(exchange, grouped=grouped, routes=routes, rejection=rejection)


def found(operation: Operation, status: int = 200, **more: Any) -> Scope:
    it = scope(operation, status, **more)
    assert it
    return it


@pytest.mark.parametrize(
    ("operation", "status"),
    [
        (PutManifest(APP, V1), 403),
        (GetManifest(APP, V1), 404),
        (HeadManifest(APP, V1), 404),
        (WriteBlob(APP, UploadStep.END), 201),
        (UploadChart("prj"), 201),
        (Other(), 200),
    ],
)
def test_nothing_is_read_for_what_says_nothing(operation: Operation, status: int) -> None:
    assert scope(operation, status) is None


def test_a_push_needs_what_is_held_unless_each_request_is_an_event() -> None:
    push = found(PutManifest(APP, V1), 201, **about(IMAGE))
    assert (push.tags, push.digests, push.tags_of, push.deep) == (("v1",), (DIGEST,), DIGEST, False)
    assert (push.all_pulls, push.pushes, push.manifests_of_pulls) == (True, True, False)
    assert push.traces == ((TraceKind.PUSHED, DIGEST),)
    exact = found(PutManifest(APP, V1), 201, grouped=False, **about(IMAGE))
    assert (exact.all_pulls, exact.pushes) == (False, False)


def test_an_index_needs_its_children_and_what_is_below_them() -> None:
    push = found(PutManifest(APP, V1), 201, **about(INDEX))
    assert (push.digests, push.deep, push.manifests_of_pulls) == ((digest_of(INDEX), *CHILDREN), True, True)
    pull = found(GetManifest(APP, V1), **about(INDEX))
    assert set(pull.traces) >= {(TraceKind.CHILD, child) for child in CHILDREN}
    assert pull.pulls_of == (digest_of(INDEX),)


def test_a_pull_by_tag_is_part_of_no_index_and_reads_nothing_back() -> None:
    kinds = [
        {kind for kind, _ in found(GetManifest(APP, ref), **about(IMAGE)).traces} for ref in (V1, BY_DIGEST)
    ]
    assert kinds[1] - kinds[0] == {TraceKind.CHILD, TraceKind.PUSHED}
    assert found(GetManifest(APP, V1), grouped=False, **about(IMAGE)).traces == ()


def test_a_look_needs_only_what_its_tag_names() -> None:
    assert found(HeadManifest(APP, V1), content_digest=DIGEST) == Scope(
        repository=APP, client=DOCKER, tags=("v1",)
    )


def test_a_delete_by_tag_whose_digest_nobody_says_means_what_the_tag_names() -> None:
    unknown = found(DeleteManifest(APP, V1), 202)
    assert (unknown.digests, unknown.meant_tag) == ((), "v1")
    known = found(DeleteManifest(APP, V1), 202, facts=Facts(digest=DIGEST))
    assert (known.digests, known.meant_tag, known.pulls_of) == ((DIGEST,), "", (DIGEST,))


def test_a_delete_that_failed_was_prepared_all_the_same() -> None:
    delete = DeleteManifest(APP, BY_DIGEST)
    assert found(delete, 405).pulls_of == (DIGEST,)
    assert scope(delete, 405, grouped=False) is None


def test_a_chart_needs_its_repository() -> None:
    it = found(UploadChart("prj"), 201, chart=CHART)
    assert (it.repository.full_name, it.tags, it.digests) == ("prj/web", (), ())


def test_a_refused_chart_is_of_its_repository_and_its_push_of_the_project() -> None:
    rejection = Rejection(rule="any", details="")
    it = found(UploadChart("prj"), 413, chart=CHART, rejection=rejection)
    assert (it.repository.full_name, it.refused_in and it.refused_in.full_name) == ("prj/web", "prj")
    exact = found(UploadChart("prj"), 413, chart=CHART, rejection=rejection, grouped=False)
    assert exact.refused_in is None


def an_intent(operation: PutManifest | DeleteManifest | UploadChart) -> Intent:
    digest = DIGEST if isinstance(operation, PutManifest) else None
    return Intent(id=UUID(int=1), operation=operation, client=DOCKER, opened_at=START, content_digest=digest)


def snapshot(named: Digest | None, *, is_there: bool) -> Snapshot:
    known = KnownManifest(media_type="m", content_bytes=1, children=(), platforms=(), is_attached=False)
    return Snapshot(
        named={"v1": SeenTag(digest=named, seen_at=START)} if named else {},
        manifests={DIGEST: SeenManifest(known, START)} if is_there else {},
    )


@pytest.mark.parametrize(
    ("operation", "named", "is_there", "wanted"),
    [
        (PutManifest(APP, V1), None, False, Remembered.NOTHING),
        (PutManifest(APP, V1), OTHER, False, Remembered.NOTHING),
        (PutManifest(APP, V1), OTHER, True, Remembered.MANIFEST),
        (PutManifest(APP, V1), DIGEST, False, Remembered.REFERENCE),
        (PutManifest(APP, BY_DIGEST), None, True, Remembered.REFERENCE),
        (DeleteManifest(APP, V1), OTHER, False, Remembered.REFERENCE),
        (DeleteManifest(APP, V1), None, False, Remembered.NOTHING),
        (DeleteManifest(APP, BY_DIGEST), None, True, Remembered.REFERENCE),
        (UploadChart("prj"), DIGEST, True, Remembered.NOTHING),
    ],
)
def test_what_was_there_before_a_write(
    operation: PutManifest | DeleteManifest | UploadChart,
    named: Digest | None,
    wanted: Remembered,
    *,
    is_there: bool,
) -> None:
    assert remembered(an_intent(operation), snapshot(named, is_there=is_there)) is wanted


def test_nothing_is_read_before_a_chart_is_forwarded() -> None:
    assert scope_of_intent(an_intent(UploadChart("prj"))) is None
    put = scope_of_intent(an_intent(PutManifest(APP, V1)))
    assert put == Scope(repository=APP, client=DOCKER, tags=("v1",), digests=(DIGEST,))
