"""The shape of the source: who imports whom, what listings say, how large things are, where the test of a file is."""

import ast
import configparser
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
SOURCES: Final = sorted(
    path.relative_to(ROOT / "sidecar").as_posix()
    for path in (ROOT / "sidecar").rglob("*.py")
    if path.name not in {"__init__.py", "__main__.py"}
)

PACKAGES: Final = [path.parent for path in sorted((ROOT / "sidecar").rglob("__init__.py"))]

_DECLARES = "declares values only; whoever uses them tests them"
_WIRE = "is about sockets: tests/wire"
_WHOLE = "joins the parts: tests/wire, tests/crash and tests/clients start the whole program"
_COMMAND = "tests/wire/test_command_line.py"

#: Files without a test file of their own, and why.
EXEMPT: Final = {
    "app/background.py": _WHOLE,
    "app/dispatching.py": _WHOLE,
    "app/figures.py": "tests/crash/test_store_away.py, with the whole program",
    "app/lease.py": _WHOLE,
    "app/listening.py": "tests/wire/test_start.py and test_shutdown.py",
    "app/process.py": _WHOLE,
    "app/readiness.py": _WHOLE,
    "app/stages.py": _WHOLE,
    "commands/policies.py": _COMMAND,
    "config/settings.py": _DECLARES,
    "detectors/artifacts.py": "tests/unit/detectors/test_grouping.py",
    "detectors/enriching.py": "tests/unit/detectors/test_deletes.py",
    "detectors/refused_pushes.py": "tests/unit/recording/test_refusals.py, with what real clients sent",
    "dispatcher/dispatcher.py": _WIRE,
    "dispatcher/corrected_targets.py": _WIRE,
    "dispatcher/target_work.py": _WIRE,
    "model/changes.py": _DECLARES,
    "model/client_limits.py": _DECLARES,
    "model/errors.py": _DECLARES,
    "model/exchange.py": _DECLARES,
    "formats/context.py": _DECLARES,
    "model/memory.py": _DECLARES,
    "policies/egress_rules.py": _DECLARES,
    "policies/target.py": _DECLARES,
    "proxy/admission.py": "tests/wire/test_admission.py",
    "proxy/chart_facts.py": "tests/wire/test_charts.py, with the real ChartMuseum",
    "proxy/charts.py": _WIRE,
    "proxy/connection.py": _WIRE,
    "proxy/handler.py": _WIRE,
    "proxy/incoming_body.py": "tests/unit/proxy/test_incoming.py and tests/wire/test_heads.py",
    "proxy/manifest_facts.py": "tests/wire/test_facts.py",
    "proxy/manifest_questions.py": "tests/wire/test_facts.py",
    "proxy/observer.py": _WIRE,
    "proxy/proxy.py": _WIRE,
    "proxy/request_context.py": "tests/wire/test_headers.py and test_paths.py",
    "proxy/tag_look_ups.py": "tests/wire/test_facts.py",
    "proxy/interface.py": _DECLARES,
    "proxy/operations.py": "tests/wire/test_admission.py, with what real registries make of the same heads",
    "proxy/reads.py": _WIRE,
    "proxy/server.py": _WIRE,
    "proxy/writes.py": _WIRE,
    "recording/upstream_state.py": "tests/unit/recording/test_reconciler.py, with real upstreams",
    "store/claims.py": "tests/unit/store/test_outbox.py",
    "store/engines/interface.py": _DECLARES,
    "store/engines/postgres_schema.py": "tests/unit/store/engines/test_postgres.py",
    "store/engines/sqlite.py": "tests/unit/store/test_statement.py",
    "queue/crew.py": "tests/unit/queue/test_worker.py",
    "store/engines/sqlite_rows.py": "tests/unit/store/test_rows.py",
    "store/figures.py": "tests/unit/store/test_store.py",
    "store/pruning.py": "tests/unit/store/test_outbox.py",
    "store/parts.py": "tests/unit/store/test_snapshots.py, of which they are parts",
    "store/health.py": "tests/unit/store/test_sqlite.py",
    "store/open_file.py": "tests/unit/store/test_sqlite.py and test_file.py",
    "store/pending.py": "tests/unit/store/test_sqlite.py",
    "store/readers.py": "tests/unit/store/test_sqlite.py",
    "recording/traffic.py": "tests/unit/recording/test_recorder.py, with the store",
    "store/schema.py": _DECLARES,
    "store/writer.py": "tests/unit/store/test_sqlite.py",
    "upstreams/stored_charts.py": "tests/unit/recording/test_reconciler.py, with the real ChartMuseum",
    "app/workers.py": _WHOLE,
}


def test_imports_go_one_way() -> None:
    """The contract stands in .importlinter."""
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_file_has_its_test_file(source: str) -> None:
    test = own_test(source)
    assert test.exists() or source in EXEMPT, f"write {test.relative_to(ROOT)}, or say in EXEMPT why not"


def own_test(source: str) -> Path:
    folder, _, name = source.rpartition("/")
    return ROOT / "tests" / "unit" / folder / f"test_{name}"


def test_what_is_exempt_is_there_and_has_none() -> None:
    assert set(EXEMPT) <= set(SOURCES)
    assert not [source for source in EXEMPT if own_test(source).exists()]


# What listings say

_LISTED = re.compile(r"^([a-z][a-z0-9_]*) {2,}\S", re.MULTILINE)


def listed(docstring: str) -> list[str]:
    """The names of a listing: each begins a line, and two blanks or more follow it."""
    return _LISTED.findall(docstring)


def own_listing(package: Path) -> list[str]:
    return listed(ast.get_docstring(ast.parse((package / "__init__.py").read_text()), clean=False) or "")


def contents_of(package: Path) -> set[str]:
    files = {path.stem for path in package.glob("*.py")} - {"__init__", "__main__"}
    return files | {path.parent.name for path in package.glob("*/__init__.py")}


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_every_package_lists_what_is_in_it(package: Path) -> None:
    found = own_listing(package)
    assert len(found) == len(set(found)), "each once"
    assert set(found) == contents_of(package)


def test_stages_are_listed_in_the_order_in_which_they_import() -> None:
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter")
    layers = contracts["importlinter:contract:flow"]["layers"].split("\n")
    height = {name.strip(): place for place, layer in enumerate(layers) for name in layer.split("|")}
    heights = [height[name] for name in own_listing(ROOT / "sidecar")]
    assert heights == sorted(heights)


def test_listing_is_what_stands_at_the_beginning_of_a_line() -> None:
    assert listed(
        "All of it.\n\n    drawing  here\none  the first\ntwo_2   the second\nthree words in prose"
    ) == [
        "one",
        "two_2",
    ]


# How large things are

_MOST_METHODS: Final = 15
_MOST_LINES: Final = 400
#: What the docstring of a larger class has to say why.
_REASON = re.compile(r"More than 15 methods: \w")


def test_no_file_has_400_lines() -> None:
    lengths = {source: len((ROOT / "sidecar" / source).read_text().splitlines()) for source in SOURCES}
    assert not {source for source, lines in lengths.items() if lines >= _MOST_LINES}


def test_no_class_has_more_than_15_methods_without_a_reason() -> None:
    found = {
        name for source in SOURCES for name in too_large(ast.parse((ROOT / "sidecar" / source).read_text()))
    }
    assert not found


def too_large(module: ast.Module) -> Iterator[str]:
    """Classes with too many methods. Every `def` of a class counts: properties, private ones and `__init__` too."""
    for node in ast.walk(module):
        if isinstance(node, ast.ClassDef):
            methods = [each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
            if len(methods) > _MOST_METHODS and not _REASON.search(
                " ".join((ast.get_docstring(node) or "").split())
            ):
                yield node.name


@pytest.mark.parametrize(
    ("number", "docstring", "expected"),
    [
        (15, "Anything.", []),
        (16, "Anything.", ["Large"]),
        (16, "It. More than\n    15 methods: one for each thing counted.", []),
    ],
)
def test_large_class_is_found_unless_it_says_why(number: int, docstring: str, expected: list[str]) -> None:
    methods = "".join(f"    def m{n}(self): ...\n" for n in range(number))
    assert list(too_large(ast.parse(f'class Large:\n    """{docstring}"""\n{methods}'))) == expected
