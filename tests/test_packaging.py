"""What is installed: the wheel, its version, and that its types may be used by others."""

import re
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_string
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.process import environment

ROOT: Final = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Built by the backend that pyproject.toml names, from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def project() -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return table


def test_the_wheel_has_the_mark_of_a_typed_package(wheel: zipfile.ZipFile) -> None:
    assert "sidecar/py.typed" in wheel.namelist()


def test_the_wheel_has_every_source_file_and_nothing_of_the_tests(wheel: zipfile.ZipFile) -> None:
    sources = {path.relative_to(ROOT).as_posix() for path in (ROOT / "sidecar").rglob("*.py")}
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed == sources | {"sidecar/py.typed"}


def test_the_wheel_says_version_and_licence(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = message_from_string(wheel.read(name).decode())
    assert metadata["Name"] == project()["name"]
    assert metadata["Version"] == project()["version"]
    assert metadata["License-Expression"] == project()["license"]
    assert metadata["Requires-Python"] == project()["requires-python"]


def test_the_command_says_its_version() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sidecar", "--version"],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    assert done.stdout == f"sidecar, version {project()['version']}\n"


def test_the_changelog_tells_of_this_version_and_what_comes_after_it_stands_first() -> None:
    headings = re.findall(r"(?m)^## (.*)$", (ROOT / "CHANGELOG.md").read_text())
    assert headings[0] == "Unreleased"
    assert re.fullmatch(rf"{re.escape(project()['version'])} - \d{{4}}-\d\d-\d\d", headings[1])


def test_the_lock_file_is_of_this_version() -> None:
    packages = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    (own,) = (package for package in packages if package["name"] == project()["name"])
    assert own["version"] == project()["version"]
