import sqlite3
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sidecar.store.faults import NotOurs
from sidecar.store.file import migrate
from sidecar.store.units import Unit, commit, take


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    yield connection
    connection.close()


def test_as_many_are_taken_as_stand_for_so_many() -> None:
    units: deque[Unit[None]] = deque(Unit(work=lambda _: None, size=size) for size in (3, 3, 3))
    assert len(take(units, 4)) == 2
    assert len(units) == 1


def see(name: str) -> Callable[[sqlite3.Connection], str]:
    def work(sql: sqlite3.Connection) -> str:
        sql.execute("INSERT INTO repositories (repository) VALUES (?)", (name,))
        return name

    return work


def seen(sql: sqlite3.Connection) -> list[str]:
    return [name for (name,) in sql.execute("SELECT repository FROM repositories ORDER BY repository")]


def fail_after_seeing(sql: sqlite3.Connection) -> None:
    see("half")(sql)
    raise KeyError("half")


def statements_of(group: list[Unit[Any]], sql: sqlite3.Connection) -> list[str]:
    run: list[str] = []
    sql.set_trace_callback(run.append)
    commit(group, sql)
    sql.set_trace_callback(None)
    return [statement.split()[0] for statement in run]


def test_a_group_is_one_transaction_and_costs_nothing_for_each(connection: sqlite3.Connection) -> None:
    group = [Unit(work=see(name)) for name in "abc"]
    assert statements_of(group, connection) == ["BEGIN", "INSERT", "INSERT", "INSERT", "COMMIT"]
    assert [unit.result for unit in group] == ["a", "b", "c"]


def test_a_statement_that_is_wrong_is_the_units_own_fault(connection: sqlite3.Connection) -> None:
    unit = Unit(work=lambda sql: sql.execute("SELECT * FROM nowhere"))
    commit([unit], connection)
    assert isinstance(unit.error, sqlite3.OperationalError)


@pytest.mark.parametrize("place", range(3))
def test_one_that_fails_leaves_nothing_and_takes_no_other_with_it(
    connection: sqlite3.Connection, place: int
) -> None:
    group: list[Unit[Any]] = [Unit(work=see(name)) for name in "ab"]
    group.insert(place, Unit(work=fail_after_seeing))
    commit(group, connection)
    assert seen(connection) == ["a", "b"]
    assert [type(unit.error) for unit in group if unit.error] == [KeyError]
    assert [unit.result for unit in group if not unit.error] == ["a", "b"]
    assert not connection.in_transaction


def test_several_may_fail_and_what_raises_no_exception_does_not_end_the_writer(
    connection: sqlite3.Connection,
) -> None:
    def leave(_: sqlite3.Connection) -> None:
        raise SystemExit

    group: list[Unit[Any]] = [
        Unit(work=work) for work in (see("a"), leave, fail_after_seeing, see("a"), see("b"))
    ]
    commit(group, connection)
    assert [type(unit.error) for unit in group] == [
        type(None), RuntimeError, KeyError, sqlite3.IntegrityError, type(None),
    ]  # fmt: skip
    assert seen(connection) == ["a", "b"]


def test_one_that_failed_and_is_run_again_has_no_error_any_more(connection: sqlite3.Connection) -> None:
    unit = Unit(work=see("a"))
    unit.error = KeyError("of the last time")
    commit([unit], connection)
    assert unit.error is None


def test_what_the_store_is_at_fault_for_is_raised_and_nothing_is_written(
    connection: sqlite3.Connection,
) -> None:
    def away(_: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    for faulty in ([], [Unit(work=fail_after_seeing)]):
        with pytest.raises(sqlite3.OperationalError, match="disk"):
            commit([Unit(work=see("a")), *faulty, Unit(work=away)], connection)
        assert not connection.in_transaction
        assert seen(connection) == []


def test_a_statement_for_which_the_tables_are_missing_is_the_files_fault(
    connection: sqlite3.Connection,
) -> None:
    connection.execute("DROP TABLE tags")
    with pytest.raises(NotOurs, match="lacks tags"):
        commit([Unit(work=lambda sql: sql.execute("SELECT * FROM tags"))], connection)
