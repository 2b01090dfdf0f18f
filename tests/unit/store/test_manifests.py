"""What is remembered of manifests, and of those that they name."""

import sqlite3
from datetime import timedelta

import pytest

from sidecar.model.changes import DigestForgotten, ManifestLearnt, PushHeld, TagLearnt
from sidecar.model.memory import KnownManifest, Scope, SeenManifest, SeenTag
from sidecar.model.names import Digest, repository_of
from sidecar.store.snapshots import snapshot_of
from tests.support.builders import START, a_digest
from tests.support.rows import write
from tests.unit.store.test_held import a_push

APP = repository_of("prj/app", default_project="library")
OTHER_APP = repository_of("prj/other", default_project="library")
#: Each names the next.
CHAIN = [Digest(a_digest(str(number))) for number in range(5)]


def known(*children: Digest) -> KnownManifest:
    return KnownManifest(
        media_type="m", content_bytes=1, children=children, platforms=("a/b",), is_attached=False
    )


def learn_chain(sql: sqlite3.Connection) -> None:
    for digest, child in zip(CHAIN, [*CHAIN[1:], None], strict=True):
        write(sql, ManifestLearnt(APP, digest, known(child) if child else known(), START))


def found(sql: sqlite3.Connection, *digests: str, **more: object) -> list[str]:
    scope = Scope(repository=APP, digests=digests, **more)  # type: ignore[arg-type]
    return sorted(snapshot_of(sql, scope).manifests, key=lambda digest: CHAIN.index(Digest(digest)))


def test_a_manifest_is_remembered_as_it_was_learnt_last(memory: sqlite3.Connection) -> None:
    later = START + timedelta(hours=1)
    for at, what in ((START, known()), (later, known(CHAIN[1]))):
        write(memory, ManifestLearnt(APP, CHAIN[0], what, at))
    snapshot = snapshot_of(memory, Scope(repository=APP, digests=(CHAIN[0],)))
    assert snapshot.manifests == {CHAIN[0]: SeenManifest(known(CHAIN[1]), later)}
    assert snapshot_of(memory, Scope(repository=OTHER_APP, digests=(CHAIN[0],))).manifests == {}
    write(memory, DigestForgotten(APP, CHAIN[0]))
    assert found(memory, CHAIN[0]) == []


def test_two_levels_below_are_found_where_that_is_asked_for(memory: sqlite3.Connection) -> None:
    learn_chain(memory)
    assert found(memory, CHAIN[0]) == CHAIN[:1]
    assert found(memory, CHAIN[0], deep=True) == CHAIN[:3]


def test_pushes_are_found_down_to_the_level_that_the_last_of_these_name(memory: sqlite3.Connection) -> None:
    learn_chain(memory)
    pushes = {digest: a_push(digest) for digest in CHAIN}
    write(memory, *map(PushHeld, pushes.values()))
    for deep, number in ((False, 1), (True, 3)):
        scope = Scope(repository=APP, digests=(CHAIN[0],), deep=deep, pushes=True)
        assert snapshot_of(memory, scope).held_pushes == {pushes[d].event.id: d for d in CHAIN[:number]}


def test_what_a_tag_names_is_looked_into_as_well(memory: sqlite3.Connection) -> None:
    learn_chain(memory)
    write(memory, TagLearnt(APP, "v1", SeenTag(digest=CHAIN[1], seen_at=START)))
    assert found(memory, meant_tag="v1", deep=True) == CHAIN[1:4]


@pytest.mark.parametrize(
    "document",
    [
        "", "{", "[]", "1", "null", "{}", '{"children": 1}', '{"children": [1, null, [], {}]}',
        '{"children": {"a": "b"}}', "x" * 100_000, '"\\ud800"', b"\xff\xfe", "[" * 5000,
    ],
)  # fmt: skip
def test_what_somebody_else_wrote_there_hides_no_other(memory: sqlite3.Connection, document: object) -> None:
    learn_chain(memory)
    memory.execute("UPDATE manifests SET document = ? WHERE digest = ?", (document, CHAIN[1]))
    assert found(memory, *CHAIN[:3], deep=True) == [CHAIN[0], *CHAIN[2:]]


def test_manifests_that_name_each_other_are_found_once(memory: sqlite3.Connection) -> None:
    one, two = CHAIN[:2]
    write(
        memory,
        ManifestLearnt(APP, one, known(two, one), START),
        ManifestLearnt(APP, two, known(one, two), START),
    )
    assert found(memory, one, deep=True) == [one, two]
