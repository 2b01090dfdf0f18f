import json
import re
import sqlite3

import pytest

from sidecar.store.engines.postgres import POSTGRES
from sidecar.store.schema import MIGRATIONS
from sidecar.store.statement import Statement, Variants
from tests.unit.store.statements import (
    files_that_run_sql_themselves,
    hidden_statements,
    plan_of,
    statements,
)

#: Where the SQL that only SQLite has stands: opening, migrating, transactions, damage.
SQLITE_ALONE = {"engines/sqlite_rows.py", "file.py", "offline.py", "readers.py", "units.py"}


@pytest.fixture
def sql() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("CREATE TABLE t (a TEXT PRIMARY KEY, b INTEGER, c REAL)")
    return connection


KEEP = Statement(
    "Keep a row.",
    """
    INSERT INTO t (c, a, b) VALUES (:c, :a, :b)
    ON CONFLICT (a) DO UPDATE SET b = {greatest(t.b, excluded.b)}, c = :c
    """,
)


def test_values_are_given_by_name_in_any_order(sql: sqlite3.Connection) -> None:
    KEEP.run(sql, a="x", b=1, c=2.0)
    KEEP.run_many(sql, [{"b": 0, "c": 3.0, "a": "x"}, {"a": "y", "b": 5, "c": 4.0, "not": "used"}])
    rows = Statement("All.", "SELECT a, b, c FROM t ORDER BY a").run(sql).fetchall()
    assert rows == [("x", 1, 3.0), ("y", 5, 4.0)]


def test_the_number_of_rows_that_many_runs_changed_is_their_sum(sql: sqlite3.Connection) -> None:
    KEEP.run_many(sql, ({"a": name, "b": 1, "c": 1.0} for name in "xyz"))
    forget = Statement("Forget a row.", "DELETE FROM t WHERE a = :a")
    assert forget.run_many(sql, ({"a": name} for name in "xzq")).rowcount == 2


def test_a_value_that_is_not_given_is_an_error(sql: sqlite3.Connection) -> None:
    with pytest.raises(KeyError, match="b"):
        KEEP.run(sql, a="x", c=1.0)


def test_each_engine_has_its_own_spelling_and_numbers_parameters_as_first_named() -> None:
    assert KEEP.parameters == ("c", "a", "b")
    assert KEEP.text == (
        "INSERT INTO t (c, a, b) VALUES (?1, ?2, ?3) ON CONFLICT (a) DO UPDATE SET b = max(t.b, excluded.b), c = ?1"
    )
    assert KEEP.text_for(POSTGRES) == (
        "INSERT INTO t (c, a, b) VALUES ($1, $2, $3) ON CONFLICT (a) DO UPDATE SET b = "
        "CASE WHEN t.b >= excluded.b THEN t.b WHEN t.b < excluded.b THEN excluded.b END, c = $1"
    )


def test_a_fragment_takes_whole_expressions_with_parameters_of_their_own() -> None:
    soon = Statement("Soon.", "SELECT {least(coalesce(b, :b), :c)} FROM t", b="real")
    assert soon.text == "SELECT min(coalesce(b, ?1), ?2) FROM t"
    assert "coalesce(b, cast($1 AS double precision)) <= $2" in soon.text_for(POSTGRES)


def test_a_type_of_a_parameter_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"not there: Soon\."):
        Statement("Soon.", "SELECT :b", c="real")


def test_many_rows_come_in_one_parameter_and_in_order(sql: sqlite3.Connection) -> None:
    keep_all = Statement(
        "Keep rows.",
        """
        INSERT INTO t (a, b, c) SELECT new.a, new.b, :c FROM {rows(:rows, a text, b integer)} AS new
        WHERE true ORDER BY new.nth ON CONFLICT (a) DO NOTHING
        """,
    )
    keep_all.run(sql, rows=json.dumps([("q", 1), ("a", 2), ("q", 3)]), c=1.5)
    assert sql.execute("SELECT a, b, c FROM t ORDER BY rowid").fetchall() == [("q", 1, 1.5), ("a", 2, 1.5)]


def test_membership_of_a_list_is_asked_with_one_parameter(sql: sqlite3.Connection) -> None:
    KEEP.run_many(sql, ({"a": name, "b": number, "c": 1.0} for number, name in enumerate("xyz")))
    others = Statement("Others.", "SELECT a FROM t WHERE a NOT IN ({texts(:skipped)}) ORDER BY a")
    some = Statement("Some.", "SELECT a FROM t WHERE b IN ({integers(:numbers)}) ORDER BY a")
    assert others.run(sql, skipped='["y", "q"]').fetchall() == [("x",), ("z",)]
    assert others.run(sql, skipped="[]").fetchall() == [("x",), ("y",), ("z",)]
    assert some.run(sql, numbers="[0, 1, 7]").fetchall() == [("x",), ("y",)]


def test_every_statement_stands_at_the_top_of_its_file_with_a_sentence() -> None:
    assert hidden_statements() == []
    assert [place for place, one in statements().items() if not one.purpose.endswith(".")] == []


def test_all_that_is_run_is_a_statement_but_for_what_only_sqlite_has() -> None:
    assert files_that_run_sql_themselves() - {"statement.py"} == SQLITE_ALONE


SOME = Variants(
    "Some.", "SELECT a FROM t WHERE true [AND b = :b] [AND c BETWEEN :low AND :high] ORDER BY a", low="real"
)


def test_a_clause_stands_only_where_its_parameters_are_given(sql: sqlite3.Connection) -> None:
    KEEP.run_many(sql, ({"a": name, "b": number % 2, "c": number} for number, name in enumerate("wxyz")))
    assert SOME.run(sql).fetchall() == [("w",), ("x",), ("y",), ("z",)]
    assert SOME.run(sql, b=1).fetchall() == [("x",), ("z",)]
    assert SOME.run(sql, b=1, low=0, high=2, unknown="x").fetchall() == [("x",)]
    assert SOME.run(sql, low=2).fetchall() == SOME.run(sql).fetchall(), "one of two that it needs"


def test_each_variant_has_a_text_of_its_own_that_is_made_once() -> None:
    assert SOME.of([]).text == "SELECT a FROM t WHERE true ORDER BY a"
    assert SOME.of(["high", "low"]).text_for(POSTGRES) == (
        "SELECT a FROM t WHERE true AND c BETWEEN cast($1 AS double precision) AND $2 ORDER BY a"
    )
    assert SOME.of(["b", "other"]) is SOME.of(["b"])
    assert {one.text for _, one in SOME.all()} == {
        SOME.of(given).text for given in ([], ["b"], ["low", "high"], ["b", "low", "high"])
    }


#: Tables that hold few rows, whatever happens.
SMALL = {
    "away_targets",
    "clock",
    "disabled_targets",
    "held",
    "intents",
    "policy_targets",
    "refused_pushes",
    "runs",
}


def walks(sql: sqlite3.Connection, one: Statement) -> set[str]:
    """The tables that a statement walks through, row by row; not what its own queries answer."""
    scans = (re.fullmatch(r"SCAN (\w+)", step) for step in plan_of(sql, one.text))
    queries = {"CONSTANT", *re.findall(r"\) AS (\w+)", one.text), *re.findall(r"WITH (\w+) AS", one.text)}
    return {found[1] for found in scans if found} - SMALL - queries


def test_no_statement_walks_through_a_table_that_grows(sql: sqlite3.Connection) -> None:
    for script in MIGRATIONS:
        sql.executescript(script)
    assert {name: found for name, one in statements().items() if (found := walks(sql, one))} == {}
    assert walks(sql, Statement("No index.", "DELETE FROM deliveries WHERE reason = :reason")) == {
        "deliveries"
    }
    assert walks(sql, Statement("No index.", "SELECT d.body FROM deliveries AS d")) == {"d"}
