import sqlite3
from collections.abc import Iterator

import pytest

from sidecar.store.file import migrate
from tests.support.builders import Wire


@pytest.fixture
def wire() -> Iterator[Wire]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    yield Wire(connection)
    connection.close()
