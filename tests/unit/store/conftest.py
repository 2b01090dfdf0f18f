from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.store.sqlite import SqliteDatabase


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    opened = SqliteDatabase(tmp_path / "store.db")
    opened.open()
    yield opened
    opened.close()
