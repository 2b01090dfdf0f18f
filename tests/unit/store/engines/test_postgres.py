"""Every statement that both engines share is compiled by a real PostgreSQL."""

import sqlite3
from collections.abc import Iterator, Mapping

import pytest

from sidecar.store.engines.interface import TYPES
from sidecar.store.engines.postgres import POSTGRES, TYPE_NAMES
from sidecar.store.engines.postgres_schema import SCHEMA
from sidecar.store.engines.sqlite import SQLITE
from sidecar.store.schema import MIGRATIONS
from sidecar.store.statement import Statement
from tests.support.postgres import Postgres
from tests.unit.store.statements import statements


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        server.query(SCHEMA)
        yield server


@pytest.fixture
def sqlite() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    for script in MIGRATIONS:
        connection.executescript(script)
    yield connection
    connection.close()


def faults(server: Postgres, texts: Mapping[str, str]) -> dict[str, str]:
    """Which of these statements does not compile, and why."""
    script = "\n".join(
        f"PREPARE statement AS {text};\n"
        f"\\if :ERROR\n\\echo {place} :LAST_ERROR_MESSAGE\n\\else\nDEALLOCATE statement;\n\\endif"
        for place, text in texts.items()
    )
    return dict(line.split(" ", 1) for line in server.script(script).splitlines())


def test_every_shared_statement_compiles(postgres: Postgres) -> None:
    texts = {place: one.text_for(POSTGRES) for place, one in statements().items()}
    assert len(texts) >= 7
    assert faults(postgres, texts) == {}


def test_a_statement_that_does_not_compile_is_told_by_name(postgres: Postgres) -> None:
    texts = {
        "here.GOOD": "DELETE FROM tags WHERE seen_at < $1",
        "here.BAD": Statement("An SQLite.", "INSERT OR REPLACE INTO tags (tag) VALUES (:tag)").text_for(
            POSTGRES
        ),
        "here.UNKNOWN": "SELECT nothing FROM tags WHERE tag = $1",
        "here.UNTYPED": Statement(
            "A parameter used as two types.", "DELETE FROM tags WHERE seen_at < :limit OR tag = :limit"
        ).text_for(POSTGRES),
    }
    found = faults(postgres, texts)
    assert set(found) == {"here.BAD", "here.UNKNOWN", "here.UNTYPED"}
    assert 'syntax error at or near "OR"' in found["here.BAD"]
    assert 'column "nothing" does not exist' in found["here.UNKNOWN"]
    assert "operator does not exist: text = double precision" in found["here.UNTYPED"]


def test_both_engines_have_the_same_tables_and_columns(
    postgres: Postgres, sqlite: sqlite3.Connection
) -> None:
    rows = sqlite.execute(
        'SELECT master.name, found.name, lower(found.type), found."notnull" OR found.pk FROM sqlite_master AS master, '
        "pragma_table_info(master.name) AS found WHERE master.type = 'table' AND master.name NOT LIKE 'sqlite_%'"
    ).fetchall()
    ours = {
        (table, column, {str(kind): TYPE_NAMES[kind] for kind in TYPES}[kind], "NO" if is_set else "YES")
        for table, column, kind, is_set in rows
    }
    theirs = postgres.query(
        "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns "
        "WHERE table_schema = 'public';"
    )
    assert ours == set(theirs)


def test_both_engines_have_the_same_indexes(postgres: Postgres, sqlite: sqlite3.Connection) -> None:
    ours = sqlite.execute(
        "SELECT tbl_name, name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    ).fetchall()
    theirs = postgres.query(
        "SELECT tablename, indexname FROM pg_indexes WHERE schemaname = 'public' "
        "AND indexname NOT LIKE '%_pkey' AND indexname NOT LIKE '%_key';"
    )
    assert set(ours) == set(theirs)


@pytest.mark.parametrize(
    ("fragment", "value"),
    [
        ("texts", '["b", "a", "ü", "b", ""]'),
        ("texts", "[]"),
        ("integers", "[3, 1, 4611686018427387904]"),
    ],
)
def test_a_list_holds_the_same_in_both(
    postgres: Postgres, sqlite: sqlite3.Connection, fragment: str, value: str
) -> None:
    ours = sqlite.execute(getattr(SQLITE, fragment)("?1"), (value,)).fetchall()
    theirs = postgres.query(f"{getattr(POSTGRES, fragment)(_quoted(value))};")
    assert [(str(one),) for (one,) in ours] == theirs


def test_rows_are_the_same_in_both_and_in_order(postgres: Postgres, sqlite: sqlite3.Connection) -> None:
    value = '[["z", 1, 0.5], ["a", -2, 1764089531.123457], ["ü", 3, 7]]'
    columns = ("name text", "number integer", "at real")
    query = "SELECT name, number, at FROM {} AS new ORDER BY nth"
    ours = sqlite.execute(query.format(SQLITE.rows("?1", *columns)), (value,)).fetchall()
    theirs = postgres.query(f"{query.format(POSTGRES.rows(_quoted(value), *columns))};")
    assert ours == [(name, int(number), float(at)) for name, number, at in theirs]


@pytest.mark.parametrize("fragment", ["greatest", "least"])
@pytest.mark.parametrize(("one", "other"), [("1", "2"), ("2", "1"), ("1", "1"), ("1", "NULL"), ("NULL", "1")])
def test_one_of_two_values_is_the_same_in_both(
    postgres: Postgres, sqlite: sqlite3.Connection, fragment: str, one: str, other: str
) -> None:
    values = f"cast({one} AS integer)", f"cast({other} AS integer)"
    (ours,) = sqlite.execute(f"SELECT {getattr(SQLITE, fragment)(*values)}").fetchone()
    (theirs,) = postgres.query(f"SELECT {getattr(POSTGRES, fragment)(*values)};")
    assert (("" if ours is None else str(ours)),) == theirs


def test_a_commit_of_another_changes_the_number(postgres: Postgres) -> None:
    query = f"{POSTGRES.commit_number()};"
    before = postgres.query(query)
    assert postgres.query(query) == before
    postgres.query("UPDATE tags SET tag = tag;")  # changes no row: still nothing to be seen
    assert postgres.query(query) == before
    postgres.query("INSERT INTO tags (repository, tag, digest, seen_at) VALUES ('r', 't', 'd', 1);")
    assert postgres.query(query) != before


def test_what_another_transaction_claims_is_passed_over(postgres: Postgres) -> None:
    postgres.query(
        "INSERT INTO last_triggered (policy_id, event_type, at) VALUES ('p', 'one', 1), ('p', 'two', 2);"
    )
    claim = f"SELECT event_type FROM last_triggered ORDER BY at LIMIT 1 {POSTGRES.skip_locked()}"
    with_another = (
        f"CREATE EXTENSION dblink;\nBEGIN;\n{claim};\n"
        f"SELECT claimed FROM dblink('host=127.0.0.1 port={postgres.port} user=postgres dbname=postgres', "
        f"{_quoted(claim)}) AS other (claimed text);\nROLLBACK;"
    )
    assert postgres.query(with_another) == [("one",), ("two",)]


def _quoted(text: str) -> str:
    escaped = text.replace("'", "''")
    return f"'{escaped}'"
