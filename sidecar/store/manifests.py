"""What is remembered of manifests that were seen."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

from sidecar.model.changes import DigestForgotten, ManifestLearnt
from sidecar.model.memory import SeenManifest
from sidecar.store.parts import Select
from sidecar.store.records import known_from_json, known_to_json, moment, seconds
from sidecar.store.rows import Row, readable
from sidecar.store.statement import Statement

MANIFESTS: Final = Select(
    "manifest",
    """
    SELECT 'manifest', manifests.digest, manifests.document, NULL, NULL, NULL, NULL,
        manifests.seen_at, NULL, NULL, NULL, NULL, NULL
    FROM {rows(:digests, digest text)} AS wanted CROSS JOIN manifests
    WHERE manifests.repository = :repository AND manifests.digest = wanted.digest
    """,
)
#: Of what these manifests name, and of what that names.
BELOW: Final = Select(
    "manifest",
    """
    SELECT 'manifest', manifests.digest, manifests.document, NULL, NULL, NULL, NULL,
        manifests.seen_at, NULL, NULL, NULL, NULL, NULL
    FROM {rows(:upper, digest text)} AS wanted CROSS JOIN manifests AS upper
        CROSS JOIN {members(upper.document, children, child)} CROSS JOIN manifests
    WHERE upper.repository = :repository AND upper.digest = wanted.digest
        AND manifests.repository = :repository AND manifests.digest = child.value
    """,
)
FURTHER_BELOW: Final = Select(
    "manifest",
    """
    SELECT 'manifest', manifests.digest, manifests.document, NULL, NULL, NULL, NULL,
        manifests.seen_at, NULL, NULL, NULL, NULL, NULL
    FROM {rows(:upper, digest text)} AS wanted CROSS JOIN manifests AS upper
        CROSS JOIN {members(upper.document, children, child)} CROSS JOIN manifests AS middle
        CROSS JOIN {members(middle.document, children, grandchild)} CROSS JOIN manifests
    WHERE upper.repository = :repository AND upper.digest = wanted.digest
        AND middle.repository = :repository AND middle.digest = child.value
        AND manifests.repository = :repository AND manifests.digest = grandchild.value
    """,
)
#: Of what a client's held pulls are of.
PULLED: Final = Select(
    "manifest",
    """
    SELECT 'manifest', manifests.digest, manifests.document, NULL, NULL, NULL, NULL,
        manifests.seen_at, NULL, NULL, NULL, NULL, NULL
    FROM held CROSS JOIN manifests
    WHERE held.repository = :bases_in AND held.kind = 'pull' AND held.client = :client
        AND manifests.repository = :repository AND manifests.digest = held.digest
    """,
)
_LEARN: Final = Statement(
    "Note a manifest as it is known now.",
    """
    INSERT INTO manifests (repository, digest, seen_at, document)
    VALUES (:repository, :digest, :seen_at, :document)
    ON CONFLICT (repository, digest) DO UPDATE SET seen_at = excluded.seen_at, document = excluded.document
    """,
)
_FORGET: Final = Statement(
    "A manifest is gone.", "DELETE FROM manifests WHERE repository = :repository AND digest = :digest"
)
_MOVE_BACK: Final = Statement(
    "Manifests from the future come to lie in the past; the next of them, and all as old as the last one.",
    """
    UPDATE manifests SET seen_at = {least(seen_at - :by, :now)} WHERE seen_at > :now AND seen_at <= coalesce(
        (SELECT seen_at FROM manifests WHERE seen_at > :now ORDER BY seen_at LIMIT 1 OFFSET :more), 1e308)
    """,
)


def learn_manifests(sql: sqlite3.Connection, changes: Sequence[ManifestLearnt]) -> None:
    _LEARN.run_many(
        sql,
        (
            {
                "repository": change.repository.full_name,
                "digest": change.digest,
                "seen_at": seconds(change.seen_at),
                "document": known_to_json(change.known),
            }
            for change in changes
        ),
    )


def forget_manifests(sql: sqlite3.Connection, changes: Sequence[DigestForgotten]) -> None:
    _FORGET.run_many(sql, ({"repository": c.repository.full_name, "digest": c.digest} for c in changes))


def read_manifests(rows: Iterable[Row]) -> dict[str, SeenManifest]:
    """By digest; of rows of digest and document, and of when it was seen."""
    return dict(readable(rows, _manifest, table="manifests"))


def _manifest(row: Row) -> tuple[str, SeenManifest]:
    digest, document, _, _, _, _, seen_at, *_ = row
    return digest, SeenManifest(known_from_json(document), moment(seen_at))


def move_manifests_back(sql: sqlite3.Connection, by_s: float, *, now_s: float, most: int) -> int:
    """How many were moved; as many as `most`, or more, where there may be others."""
    return _MOVE_BACK.run(sql, by=by_s, now=now_s, more=most - 1).rowcount
