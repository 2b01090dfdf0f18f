import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import structlog

from sidecar.config import Settings
from tests.unit.commands.conftest import Run


@pytest.fixture
def _logging_restored() -> Iterator[None]:
    root = logging.getLogger()
    before = (root.handlers, root.level, structlog.get_config())
    yield
    root.handlers = before[0]
    root.setLevel(before[1])
    logging.captureWarnings(capture=False)
    structlog.configure(**before[2])


@pytest.mark.usefixtures("_logging_restored")
def test_serve_runs_the_application_with_the_settings(
    path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[Settings, Path]] = []

    def application(settings: Settings, config: Path) -> int:
        calls.append((settings, config))
        return 3

    monkeypatch.setitem(sys.modules, "sidecar.app.process", SimpleNamespace(run=application))
    result = run("serve", "--config", str(path))
    assert result.exit_code == 3
    ((settings, config),) = calls
    assert (settings.hostname, config) == ("registry.example.com", path)
    assert '"config.not_in_effect"' in result.stderr
    assert "sekrit" not in result.output
