"""Every statement of the store, found by looking into its modules and into their source."""

import ast
import importlib
import pkgutil
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import sidecar.store
from sidecar.store.statement import Statement, Variants

STORE = Path(sidecar.store.__path__[0])


def statements() -> dict[str, Statement]:
    """By the name under which each stands at the top of its module; every variant of those that have some."""
    found: dict[str, Statement] = {}
    for module in pkgutil.walk_packages(sidecar.store.__path__, "sidecar.store."):
        for name, value in vars(importlib.import_module(module.name)).items():
            found |= _statements_in(f"{module.name.removeprefix('sidecar.')}.{name}", value)
    return found


def _statements_in(name: str, value: object) -> dict[str, Statement]:
    match value:
        case Statement():
            return {name: value}
        case Variants():
            return {f"{name}({','.join(sorted(given))})": one for given, one in value.all()}
        case dict():
            found = (_statements_in(f"{name}[{key}]", one) for key, one in value.items())
            return {key: one for some in found for key, one in some.items()}
        case _:
            return {}


def plan_of(sql: sqlite3.Connection, text: str) -> list[str]:
    """The steps in which SQLite goes about it; no parameter has a value."""
    parameters = text.count("?") and max(int(number) for number in re.findall(r"\?(\d+)", text))
    return [row[3] for row in sql.execute(f"EXPLAIN QUERY PLAN {text}", (None,) * parameters)]


def hidden_statements() -> list[str]:
    """Statements that are made within a function, where nobody finds them: `file:line`."""
    return [
        f"{path.relative_to(STORE)}:{call.lineno}"
        for path in sorted(set(STORE.rglob("*.py")) - {STORE / "statement.py"})
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for call in _calls(function)
        if isinstance(call.func, ast.Name) and call.func.id in {"Statement", "Variants"}
    ]


def files_that_run_sql_themselves() -> set[str]:
    """Those that hand a text to the database, and not a Statement."""
    return {
        str(path.relative_to(STORE))
        for path in STORE.rglob("*.py")
        for call in _calls(ast.parse(path.read_text()))
        if isinstance(call.func, ast.Attribute)
        and call.func.attr in {"execute", "executemany", "executescript"}
    }


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))
