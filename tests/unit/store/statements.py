"""Every statement of the store, found by looking into its modules and into their source."""

import ast
import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import sidecar.store
from sidecar.store.statement import Statement

STORE = Path(sidecar.store.__path__[0])


def statements() -> dict[str, Statement]:
    """By the name under which each stands at the top of its module."""
    found: dict[str, Statement] = {}
    for module in pkgutil.walk_packages(sidecar.store.__path__, "sidecar.store."):
        for name, value in vars(importlib.import_module(module.name)).items():
            place = f"{module.name.removeprefix('sidecar.')}.{name}"
            if isinstance(value, Statement):
                found[place] = value
            elif isinstance(value, Mapping):
                found |= {f"{place}[{key}]": it for key, it in value.items() if isinstance(it, Statement)}
    return found


def hidden_statements() -> list[str]:
    """Statements that are made within a function, where nobody finds them: `file:line`."""
    return [
        f"{path.relative_to(STORE)}:{call.lineno}"
        for path in sorted(STORE.rglob("*.py"))
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for call in _calls(function)
        if isinstance(call.func, ast.Name) and call.func.id == "Statement"
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
