from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.config import Settings, load
from sidecar.store.sqlite import SqliteDatabase
from tests.unit.commands.conftest import GOOD
from tests.unit.store.test_history import Shelf


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Policies prj/ci (pushImage, one target) and prj/second (off); the database is below tmp_path."""
    path = tmp_path / "harbor.yml"
    path.write_text(f"{GOOD}data_volume: {tmp_path}\n")
    return load(path, {})


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    """The database of these settings, as a running sidecar has it."""
    database = SqliteDatabase(tmp_path / "sidecar.db")
    database.open()
    shelf = Shelf(database, tmp_path / "sidecar.db")
    yield shelf
    shelf.sql.close()
    database.close()
