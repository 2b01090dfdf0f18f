from collections.abc import Iterator
from typing import Any

import pytest

from tests.crash.support import Upstreams
from tests.support.process import is_installed, require_program
from tests.support.servers import ChartMuseum, Registry


@pytest.fixture(scope="module")
def upstreams(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstreams]:
    folder = tmp_path_factory.mktemp("upstreams")
    if not is_installed("registry", "docker-registry"):
        require_program("registry")
    version: Any = "3" if is_installed("registry") else "2.8"
    with Registry(folder / "registry", version=version) as registry:
        if not is_installed("chartmuseum"):
            yield Upstreams(registry, None)
            return
        with ChartMuseum(folder / "charts") as charts:
            yield Upstreams(registry, charts)
