"""Errands in a file of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.queue.errands import Errands


@pytest.fixture
def errands(tmp_path: Path) -> Iterator[Errands]:
    errands = Errands(tmp_path / "errands.db")
    yield errands
    errands.sql.close()
