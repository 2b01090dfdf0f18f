"""The shape of the source: who imports whom, and where the test of a file is."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
SOURCES: Final = sorted(
    path.relative_to(ROOT / "sidecar").as_posix()
    for path in (ROOT / "sidecar").rglob("*.py")
    if path.name not in {"__init__.py", "__main__.py"}
)

_DECLARES = "declares values only; whoever uses them tests them"
_WIRE = "is about sockets: tests/wire"
_WHOLE = "joins the parts: tests/wire, tests/crash and tests/clients start the whole program"
_COMMAND = "tests/wire/test_command_line.py"

#: Files without a test file of their own, and why.
EXEMPT: Final = {
    "app/process.py": _WHOLE,
    "commands/policies.py": _COMMAND,
    "config/settings.py": _DECLARES,
    "detectors/artifacts.py": "tests/unit/detectors/test_grouping.py",
    "detectors/enriching.py": "tests/unit/detectors/test_deletes.py",
    "detectors/refused_pushes.py": "tests/unit/recording/test_refusals.py, with what real clients sent",
    "dispatcher/dispatcher.py": _WIRE,
    "dispatcher/target_loop.py": _WIRE,
    "model/errors.py": _DECLARES,
    "model/exchange.py": _DECLARES,
    "formats/context.py": _DECLARES,
    "model/memory.py": _DECLARES,
    "policies/target.py": _DECLARES,
    "proxy/chart_facts.py": "tests/wire/test_charts.py, with the real ChartMuseum",
    "proxy/charts.py": _WIRE,
    "proxy/handler.py": _WIRE,
    "proxy/manifest_facts.py": _WIRE,
    "proxy/interface.py": _DECLARES,
    "proxy/reads.py": _WIRE,
    "proxy/writes.py": _WIRE,
    "store/schema.py": _DECLARES,
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
