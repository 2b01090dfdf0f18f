"""What tags are remembered to name."""

import sqlite3
from datetime import datetime, timedelta

import pytest

from sidecar.model.changes import DigestForgotten, TagForgotten, TagLearnt
from sidecar.model.memory import Scope, SeenTag
from sidecar.model.names import Digest, repository_of
from sidecar.store import snapshots
from sidecar.store.snapshots import snapshot_of
from sidecar.store.tags import tag_seen_since
from tests.support.builders import START, a_digest
from tests.support.rows import write

APP = repository_of("prj/app", default_project="library")
DIGEST, OTHER = Digest(a_digest("one")), Digest(a_digest("two"))
SECOND = timedelta(seconds=1)


def learnt(tag: str, digest: Digest = DIGEST, moved_at: datetime | None = None) -> TagLearnt:
    return TagLearnt(APP, tag, SeenTag(digest=digest, seen_at=START, moved_at=moved_at))


def tags_of(sql: sqlite3.Connection, digest: str = DIGEST) -> tuple[str, ...]:
    return snapshot_of(sql, Scope(repository=APP, tags_of=digest)).tags


def test_a_tag_names_what_was_learnt_last(memory: sqlite3.Connection) -> None:
    write(memory, learnt("v1"), learnt("v2"))
    write(memory, learnt("v1", OTHER, START))
    named = snapshot_of(memory, Scope(repository=APP, tags=("v1", "v2", "v3"))).named
    assert named == {
        "v1": SeenTag(digest=OTHER, seen_at=START, moved_at=START),
        "v2": SeenTag(digest=DIGEST, seen_at=START),
    }
    assert (tags_of(memory), tags_of(memory, OTHER)) == (("v2",), ("v1",))


def test_the_tag_moved_last_comes_first_and_those_of_which_nobody_knows_last(
    memory: sqlite3.Connection,
) -> None:
    moved = {
        "old": START,
        "b-new": START + SECOND,
        "a-new": START + SECOND,
        "z-unknown": None,
        "unknown": None,
    }
    write(memory, *(learnt(tag, moved_at=at) for tag, at in moved.items()))
    assert tags_of(memory) == ("a-new", "b-new", "old", "unknown", "z-unknown")


def test_of_very_many_tags_those_moved_last_are_found(
    memory: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "_MOST_TAGS", 3)
    write(memory, *(learnt(f"v{n}", moved_at=START + n * SECOND) for n in (1, 4, 3)))
    assert tags_of(memory) == ("v4", "v3", "v1")
    write(memory, learnt("v2", moved_at=START + 2 * SECOND), learnt("unknown"))
    assert tags_of(memory) == ("v4", "v3", "v2")


def test_a_tag_is_forgotten_alone_and_a_digest_with_all_its_tags(memory: sqlite3.Connection) -> None:
    write(memory, learnt("v1"), learnt("v2"), learnt("v3"), learnt("other", OTHER))
    write(memory, TagForgotten(APP, "v1"))
    assert tags_of(memory) == ("v2", "v3")
    write(memory, DigestForgotten(APP, DIGEST))
    assert (tags_of(memory), tags_of(memory, OTHER)) == ((), ("other",))


def test_a_tag_was_seen_since_it_was(memory: sqlite3.Connection) -> None:
    write(memory, learnt("v1"))
    assert tag_seen_since(memory, APP, "v1", DIGEST, START)
    assert not tag_seen_since(memory, APP, "v1", DIGEST, START + SECOND)
    assert not tag_seen_since(memory, APP, "v1", OTHER, START)


@pytest.mark.parametrize("column", ["digest", "seen_at", "moved_at", "tag"])
def test_a_row_that_cannot_be_read_names_nothing(memory: sqlite3.Connection, column: str) -> None:
    write(memory, learnt("v1"), learnt("v2"))
    memory.execute(f"UPDATE tags SET {column} = x'ff00' WHERE tag = 'v1'")
    assert list(snapshot_of(memory, Scope(repository=APP, tags=("v1", "v2"))).named) == ["v2"]
    assert "v2" in tags_of(memory)
