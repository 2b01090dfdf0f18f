"""What tags were last seen to name."""

import math
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from sidecar.model.changes import DigestForgotten, TagForgotten, TagLearnt
from sidecar.model.memory import SeenTag
from sidecar.model.names import Digest, Repository
from sidecar.store.parts import Select
from sidecar.store.records import moment, seconds
from sidecar.store.rows import Row, readable
from sidecar.store.statement import Statement

NAMED: Final = Select(
    "named",
    """
    SELECT 'named', tags.tag, tags.digest, NULL, NULL, NULL, NULL,
        tags.seen_at, tags.moved_at, NULL, NULL, NULL, NULL
    FROM {rows(:tags, tag text)} AS wanted CROSS JOIN tags
    WHERE tags.repository = :repository AND tags.tag = wanted.tag
    """,
)
TAGS_OF: Final = Select(
    "tag",
    """
    SELECT 'tag', tag, NULL, NULL, NULL, NULL, NULL, moved_at, NULL, NULL, NULL, NULL, NULL
    FROM (SELECT tag, moved_at FROM tags {by_index(tags_digest)}
          WHERE repository = :repository AND digest = :tags_of LIMIT :most_tags) AS own
    """,
)
_LEARN: Final = Statement(
    "Note what a tag names.",
    """
    INSERT INTO tags (repository, tag, digest, seen_at, moved_at)
    VALUES (:repository, :tag, :digest, :seen_at, :moved_at)
    ON CONFLICT (repository, tag) DO UPDATE SET digest = excluded.digest, seen_at = excluded.seen_at,
        moved_at = excluded.moved_at
    """,
)
_FORGET: Final = Statement("A tag is gone.", "DELETE FROM tags WHERE repository = :repository AND tag = :tag")
_FORGET_DIGEST: Final = Statement(
    "All tags that name a digest are gone.",
    "DELETE FROM tags {by_index(tags_digest)} WHERE repository = :repository AND digest = :digest",
)
_SEEN_SINCE: Final = Statement(
    "Whether a tag was seen to name a digest since a time.",
    """
    SELECT 1 FROM tags
    WHERE repository = :repository AND tag = :tag AND digest = :digest AND seen_at >= :since
    """,
)
_NAMED_BY: Final = Statement(
    "What a tag names.", "SELECT digest FROM tags WHERE repository = :repository AND tag = :tag"
)
_LATEST: Final = Statement(
    "The tags of a digest that were created or moved last.",
    """
    SELECT tag FROM tags {by_index(tags_digest)} WHERE repository = :repository AND digest = :digest
    ORDER BY moved_at IS NULL, moved_at DESC, tag LIMIT :most
    """,
)
_AFTER: Final = Statement(
    "Tags that were seen in the future.", "SELECT repository, tag FROM tags WHERE seen_at > :now"
)
_MOVE_BACK: Final = Statement(
    "A tag from the future comes to lie in the past.",
    """
    UPDATE tags SET seen_at = {least(seen_at - :by, :now)}
    WHERE repository = :repository AND tag = :tag AND seen_at > :now
    """,
)


def learn_tags(sql: sqlite3.Connection, changes: Sequence[TagLearnt]) -> None:
    _LEARN.run_many(
        sql,
        (
            {
                "repository": change.repository.full_name,
                "tag": change.tag,
                "digest": change.seen.digest,
                "seen_at": seconds(change.seen.seen_at),
                "moved_at": seconds(change.seen.moved_at) if change.seen.moved_at else None,
            }
            for change in changes
        ),
    )


def forget_tags(sql: sqlite3.Connection, changes: Sequence[TagForgotten]) -> None:
    _FORGET.run_many(sql, ({"repository": c.repository.full_name, "tag": c.tag} for c in changes))


def forget_tags_of(sql: sqlite3.Connection, changes: Sequence[DigestForgotten]) -> None:
    _FORGET_DIGEST.run_many(
        sql, ({"repository": c.repository.full_name, "digest": c.digest} for c in changes)
    )


def tag_seen_since(
    sql: sqlite3.Connection, repository: Repository, tag: str, digest: str, since: datetime
) -> bool:
    """Whether the tag was seen to name the digest at or after that time."""
    found = _SEEN_SINCE.run(
        sql, repository=repository.full_name, tag=tag, digest=digest, since=seconds(since)
    )
    return found.fetchone() is not None


def named_by(sql: sqlite3.Connection, repository: Repository, tag: str) -> str | None:
    row = _NAMED_BY.run(sql, repository=repository.full_name, tag=tag).fetchone()
    return row[0] if row and isinstance(row[0], str) else None


def latest_tags(
    sql: sqlite3.Connection, repository: Repository, digest: str, *, most: int
) -> tuple[str, ...]:
    """The one last created or moved first, then those of which nobody knows."""
    rows = _LATEST.run(sql, repository=repository.full_name, digest=digest, most=most)
    return tuple(tag for (tag,) in rows if isinstance(tag, str))


def read_named(rows: Iterable[Row]) -> dict[str, SeenTag]:
    """By tag; of rows of tag and digest, and of when it was seen and moved."""
    return dict(readable(rows, _named, table="tags"))


def _named(row: Row) -> tuple[str, SeenTag]:
    tag, digest, _, _, _, _, seen_at, moved_at, *_ = row
    if not isinstance(tag, str) or not isinstance(digest, str):
        raise TypeError("no text")
    return tag, SeenTag(
        digest=Digest(digest),
        seen_at=moment(seen_at),
        moved_at=None if moved_at is None else moment(moved_at),
    )


def read_tags(rows: Iterable[Row]) -> tuple[str, ...]:
    """In the order of `latest_tags`; of rows of a tag, and of when it was moved."""
    found = [(row[0], row[6]) for row in rows if isinstance(row[0], str)]

    def rank(entry: tuple[str, object]) -> tuple[float, str]:
        tag, moved_at = entry
        return (-moved_at if isinstance(moved_at, int | float) else math.inf, tag)

    return tuple(tag for tag, _ in sorted(found, key=rank))


def tags_after(sql: sqlite3.Connection, now_s: float) -> list[tuple[str, str]]:
    """Repository and tag of those seen in the future."""
    return _AFTER.run(sql, now=now_s).fetchall()


def move_tags_back(
    sql: sqlite3.Connection, tags: Iterable[tuple[str, str]], by_s: float, now_s: float
) -> None:
    _MOVE_BACK.run_many(
        sql, ({"by": by_s, "now": now_s, "repository": repository, "tag": tag} for repository, tag in tags)
    )
