import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.engines import Containerd, Dockerd
from tests.clients.stack import KINDS, Stack, running_stack
from tests.support.process import require_program


@pytest.fixture(scope="session", params=KINDS)
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(request.param, tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture(scope="session")
def dockerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dockerd]:
    _require_root("dockerd")
    with Dockerd(tmp_path_factory.mktemp("dockerd")) as engine:
        yield engine


@pytest.fixture(scope="session")
def containerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containerd]:
    _require_root("containerd")
    with Containerd(tmp_path_factory.mktemp("containerd")) as engine:
        yield engine


@pytest.fixture
def run_folder() -> Iterator[Path]:
    """A folder with a short path."""
    with tempfile.TemporaryDirectory(prefix="run-") as folder:
        yield Path(folder)


def _require_root(program: str) -> None:
    require_program(program)
    if os.geteuid() != 0:
        pytest.skip(f"{program} runs as root only")
