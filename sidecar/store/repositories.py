"""When repositories were first seen, and when something was last uploaded to them."""

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from sidecar.model.changes import RepositorySeen
from sidecar.model.names import Repository
from sidecar.store.parts import Select
from sidecar.store.records import moment, seconds
from sidecar.store.rows import Row, readable
from sidecar.store.statement import Statement

REPOSITORY: Final = Select(
    "repository",
    """
    SELECT 'repository', repository, NULL, NULL, NULL, NULL, NULL,
        created_at, uploaded_at, NULL, NULL, NULL, NULL
    FROM repositories WHERE repository = :repository
    """,
)
_SEE: Final = Statement(
    "A repository is seen; only the first time counts.",
    """
    INSERT INTO repositories (repository, created_at) VALUES (:repository, :at)
    ON CONFLICT (repository) DO UPDATE SET created_at = coalesce(repositories.created_at, excluded.created_at)
    """,
)
_NOTE_UPLOAD: Final = Statement(
    "An upload to a repository goes on.",
    """
    INSERT INTO repositories (repository, uploaded_at) VALUES (:repository, :at)
    ON CONFLICT (repository) DO UPDATE SET uploaded_at = excluded.uploaded_at
    """,
)


def see_repositories(sql: sqlite3.Connection, changes: Sequence[RepositorySeen]) -> None:
    _SEE.run_many(sql, ({"repository": c.repository.full_name, "at": seconds(c.at)} for c in changes))


def note_upload(sql: sqlite3.Connection, repository: Repository, *, at: datetime) -> None:
    _NOTE_UPLOAD.run(sql, repository=repository.full_name, at=seconds(at))


def read_created(rows: Iterable[Row]) -> dict[str, datetime]:
    """First sight, by full name; of rows of that, and of two times."""
    known = (row for row in rows if row[6] is not None)
    return dict(readable(known, lambda row: (row[0], moment(row[6])), table="repositories"))


def read_uploaded(rows: Iterable[Row]) -> dict[str, datetime]:
    known = (row for row in rows if row[7] is not None)
    return dict(readable(known, lambda row: (row[0], moment(row[7])), table="repositories"))
