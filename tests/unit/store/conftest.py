import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.store.file import migrate
from sidecar.store.sqlite import SqliteDatabase


@pytest.fixture
def memory() -> Iterator[sqlite3.Connection]:
    """A database of our tables, for what one transaction does."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    yield connection
    connection.close()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    opened = SqliteDatabase(tmp_path / "store.db")
    opened.open()
    yield opened
    opened.close()
