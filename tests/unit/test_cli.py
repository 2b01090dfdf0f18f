import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import structlog
from click.testing import CliRunner, Result

from sidecar import cli
from sidecar.config import Settings

GOOD = """\
hostname: registry.example.com
registry: {url: 'http://127.0.0.1:5001', username: u, password: sekrit}
chart_repository: {url: 'http://127.0.0.1:8081', depth: dynamic, context_path: /charts}
harbor_admin_password: sekrit
listen: {proxy: '[::1]:5000'}
projects:
  - name: prj
    webhook_policies:
      - name: ci
        event_types: [pushImage]
        repositories: [prj/a]
        tags: ["v*"]
        targets:
          - address: https://u:sekrit@ci.example.com/sekrit?sekrit
            auth_header: sekrit
            secret: c2Vrcml0
      - name: second
        enabled: false
        targets: [{address: 'http://h'}]
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "harbor.yml"
    path.write_text(GOOD)
    return path


def _run(*arguments: str, **environ: str) -> Result:
    return CliRunner().invoke(cli.main, arguments, env=environ)


def test_check_says_what_was_understood_and_nothing_secret(path: Path) -> None:
    result = _run("check", "--config", str(path))
    assert result.exit_code == 0
    rows = {tuple(line.split(maxsplit=1)) for line in result.stdout.splitlines() if line}
    assert ("registry", "http://127.0.0.1:5001") in rows
    assert ("chart_repository", "http://127.0.0.1:8081/charts, depth dynamic") in rows
    assert ("listen", "proxy [::1]:5000, admin 127.0.0.1:8080") in rows
    assert ("notification", "on, given up after 10 failed attempts of 10 s at most") in rows
    assert "prj/ci" in result.stdout
    assert "https://ci.example.com (Documented, signed)" in result.stdout
    assert "prj/a tag:v*" in result.stdout
    assert "prj/second (off)" in result.stdout
    assert result.stderr == (
        "harbor.yml: harbor_admin_password: accepted, but not in effect in this version\n"
    )
    assert "sekrit" not in result.output
    assert "c2Vrcml0" not in result.output


def test_check_says_that_nobody_hears_of_anything(path: Path) -> None:
    path.write_text("hostname: x\nregistry: {url: 'http://r'}\nnotification: {enabled: false}\n")
    result = _run("check", "--config", str(path))
    assert "No webhook policies" in result.stdout
    assert "notification       off" in result.stdout


@pytest.mark.parametrize("command", ["check", "serve"])
def test_mistakes_are_lines_on_standard_error_and_status_2(path: Path, command: str) -> None:
    path.write_text("hostnam: x\nworkers: many\n")
    result = _run(command, "--config", str(path))
    assert result.exit_code == 2
    assert result.stdout == ""
    assert sorted(result.stderr.splitlines()) == [
        "harbor.yml: hostnam: unknown key (did you mean hostname?)",
        "harbor.yml: hostname: is missing; add it (what users write before a repository, as registry.example.com)",
        "harbor.yml: registry: is missing; add it (the registry behind the proxy; it needs the key url)",
        "harbor.yml: workers: must be a whole number",
    ]


def test_the_environment_names_the_file_and_sets_values(path: Path) -> None:
    result = _run("check", SIDECAR_CONFIG=str(path), SIDECAR_HOSTNAME="other.example.com")
    assert result.exit_code == 0
    assert "other.example.com" in result.stdout


def test_the_default_is_harbor_yml_here(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    assert _run("check").exit_code == 0
    monkeypatch.chdir("/")
    result = _run("check")
    assert result.exit_code == 2
    assert result.stderr == "harbor.yml: no such file: harbor.yml; name it with --config or SIDECAR_CONFIG\n"


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
def test_serve_runs_the_application_with_the_settings(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[Settings, Path]] = []

    def run(settings: Settings, config: Path) -> int:
        calls.append((settings, config))
        return 3

    monkeypatch.setitem(sys.modules, "sidecar.app", SimpleNamespace(run=run))
    result = _run("serve", "--config", str(path))
    assert result.exit_code == 3
    ((settings, config),) = calls
    assert (settings.hostname, config) == ("registry.example.com", path)
    assert '"config.not_in_effect"' in result.stderr
    assert "sekrit" not in result.output


def test_version() -> None:
    assert _run("--version").output.startswith("sidecar, version ")


def test_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sidecar", "--help"], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.startswith("Usage: sidecar [OPTIONS] COMMAND")
    assert "serve" in done.stdout
