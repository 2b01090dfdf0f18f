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
_CHAT = "tests/unit/formats/test_chat.py"

#: Files without a test file of their own, and why.
EXEMPT: Final = {
    "app.py": _WHOLE,
    "commands/policies.py": _COMMAND,
    "commands/trial.py": _COMMAND,
    "config/settings.py": _DECLARES,
    "detectors/artifacts.py": "tests/unit/detectors/test_grouping.py",
    "dispatcher/dispatcher.py": _WIRE,
    "dispatcher/target_loop.py": _WIRE,
    "errors.py": _DECLARES,
    "exchange.py": _DECLARES,
    "formats/context.py": _DECLARES,
    "formats/slack.py": _CHAT,
    "formats/summary.py": _CHAT,
    "formats/teams.py": _CHAT,
    "memory.py": _DECLARES,
    "proxy/facts.py": _WIRE,
    "proxy/handler.py": _WIRE,
    "proxy/interface.py": _DECLARES,
    "proxy/observers.py": _WIRE,
    "proxy/refusals.py": _WIRE,
    "proxy/reads.py": _WIRE,
    "proxy/relay.py": _WIRE,
    "proxy/upstream.py": _WIRE,
    "proxy/writes.py": _WIRE,
    "store/schema.py": _DECLARES,
    "workers.py": _WHOLE,
}


def test_imports_go_one_way() -> None:
    """The contract stands in .importlinter."""
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_file_has_its_test_file(source: str) -> None:
    folder, _, name = source.rpartition("/")
    test = ROOT / "tests" / "unit" / folder / f"test_{name}"
    assert test.exists() or source in EXEMPT, f"write {test.relative_to(ROOT)}, or say in EXEMPT why not"


def test_what_is_exempt_is_there() -> None:
    assert set(EXEMPT) <= set(SOURCES)
