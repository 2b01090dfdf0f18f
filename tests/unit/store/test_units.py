import sqlite3
from collections import deque

import pytest

from sidecar.store.faults import NotOurs
from sidecar.store.file import migrate
from sidecar.store.units import Unit, run, take


def a_connection() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    connection.execute("BEGIN")
    return connection


def test_as_many_are_taken_as_stand_for_so_many() -> None:
    units: deque[Unit[None]] = deque(Unit(work=lambda _: None, size=size) for size in (3, 3, 3))
    assert len(take(units, 4)) == 2
    assert len(units) == 1


def test_a_statement_that_is_wrong_is_the_units_own_fault() -> None:
    unit = Unit(work=lambda sql: sql.execute("SELECT * FROM nowhere"))
    run(unit, a_connection())
    assert isinstance(unit.error, sqlite3.OperationalError)


def test_a_statement_for_which_the_tables_are_missing_is_the_files_fault() -> None:
    connection = a_connection()
    connection.execute("DROP TABLE tags")
    with pytest.raises(NotOurs, match="lacks tags"):
        run(Unit(work=lambda sql: sql.execute("SELECT * FROM tags")), connection)
