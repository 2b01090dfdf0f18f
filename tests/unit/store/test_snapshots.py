"""What is remembered is read in one statement, by indexes; what it finds: the tests of each table's file."""

import sqlite3
from dataclasses import fields, replace
from datetime import timedelta

import pytest

from sidecar.model.memory import HeldSnapshot, Scope, Snapshot, TraceKind
from sidecar.model.names import repository_of
from sidecar.store.snapshots import (
    _COVERED,
    _HELD,
    _NEEDED_FOR,
    _SCOPES,
    _needs_of,
    _statement_for,
    held_snapshot,
    snapshot_of,
)
from sidecar.store.statement import Statement
from tests.support.builders import DOCKER, START

APP = repository_of("prj/app", default_project="library")
TABLES = {"tags", "manifests", "traces", "held", "refused_pushes", "repositories"}


def test_an_empty_store_remembers_nothing(memory: sqlite3.Connection) -> None:
    scope = Scope(repository=APP, client=DOCKER, tags=("v1",), digests=("sha256:a",), tags_of="sha256:a")
    assert snapshot_of(memory, scope) == Snapshot()
    until = START + timedelta(seconds=3)
    assert held_snapshot(memory, now=START, pulls_until=until, pushes_until=until) == HeldSnapshot()


def plan_of(sql: sqlite3.Connection, statement: Statement) -> list[str]:
    plan = sql.execute(f"EXPLAIN QUERY PLAN {statement.text}", [""] * len(statement.parameters)).fetchall()
    return [str(row[3]) for row in plan]


@pytest.mark.parametrize("statement", [*_SCOPES.values(), _HELD], ids=repr)
def test_no_table_is_walked_through(memory: sqlite3.Connection, statement: Statement) -> None:
    steps = plan_of(memory, statement)
    walked = [step for step in steps if step.startswith("SCAN") and step.split()[1] in TABLES]
    assert steps
    assert walked == []


@pytest.mark.parametrize("statement", _SCOPES.values(), ids=repr)
def test_what_is_read_for_each_exchange_opens_no_table_of_its_own(
    memory: sqlite3.Connection, statement: Statement
) -> None:
    program = memory.execute(f"EXPLAIN {statement.text}", [""] * len(statement.parameters)).fetchall()
    steps = {str(row[1]) for row in program}
    assert "OpenRead" in steps
    assert steps & {"OpenEphemeral", "OpenAutoindex", "SorterOpen"} == set()


def test_everything_is_found_by_all_that_is_asked_of_it(memory: sqlite3.Connection) -> None:
    """But for what a client holds in a repository: that is all of it."""
    steps = plan_of(memory, _SCOPES["all"])
    ways = {step.split("(", 1)[1] for step in steps if step.startswith("SEARCH")}
    assert ways == {
        "repository=? AND tag=?)",
        "repository=? AND digest=?)",
        "kind=? AND client=? AND repository=? AND digest=?)",
        "client=? AND repository=?)",
        "agent=?)",
        "repository=?)",
    }
    by_repository = [step for step in steps if step.endswith("(repository=?)")]
    assert sorted(step.split()[1] for step in by_repository) == ["held", "held", "repositories"]


WHOLE = Scope(
    repository=APP,
    client=DOCKER,
    tags=("v1",),
    digests=("sha256:a",),
    deep=True,
    tags_of="sha256:a",
    traces=((TraceKind.PUSHED, "sha256:a"),),
    pulls_of=("sha256:a",),
    all_pulls=True,
    manifests_of_pulls=True,
    pushes=True,
    is_dated=True,
    refused_in=APP,
)


@pytest.mark.parametrize(
    "field",
    [field.name for field in fields(Scope) if field.name not in {"repository", "client", "meant_tag"}],
)
def test_the_statement_for_a_scope_reads_all_of_it(field: str) -> None:
    alone = replace(Scope(repository=APP, client=DOCKER), **{field: getattr(WHOLE, field)})
    (name,) = [name for name, is_needed in _needs_of(alone).items() if is_needed]
    (chosen,) = [chosen for chosen, statement in _SCOPES.items() if statement is _statement_for(alone)]
    assert _NEEDED_FOR[name] in _COVERED[chosen]
    assert _statement_for(WHOLE) is _SCOPES["all"]
