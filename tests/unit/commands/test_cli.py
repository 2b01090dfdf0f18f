import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from sidecar.commands import cli
from sidecar.commands.cli import COMMANDS


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, arguments)


def test_version() -> None:
    assert _run("--version").output.startswith("sidecar, version ")


def test_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sidecar", "--help"], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.startswith("Usage: sidecar [OPTIONS] COMMAND")
    assert "serve" in done.stdout


def test_help_waits_for_nothing_heavy() -> None:
    program = (
        "import sys; from sidecar.commands.cli import main; main(['--help'], standalone_mode=False); "
        "print(*sorted({'pydantic', 'aiohttp', 'structlog', 'yaml', 'asyncio'} & set(sys.modules)), 'end')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "end"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_listed_with_its_own_first_line(name: str) -> None:
    command = cli.main.get_command(click.Context(cli.main), name)
    assert command
    assert command.name == name
    assert command.get_short_help_str(limit=200) == COMMANDS[name]
    assert _run(name, "--help").exit_code == 0


def test_every_command_reads_the_same_configuration() -> None:
    for name in COMMANDS:
        command = import_module(f"sidecar.commands.{name.replace('-', '_')}").command
        (config,) = [option for option in command.params if option.name == "config"]
        assert (config.envvar, config.default) == ("SIDECAR_CONFIG", "harbor.yml")


def test_an_unknown_command_is_refused() -> None:
    result = _run("serv")
    assert result.exit_code == 2
    assert "No such command 'serv'" in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("check",),
        ("deliveries",),
        ("policies",),
        ("redeliver", "abcd"),
        ("tail",),
        ("test-endpoint", "--policy", "p"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_status_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    path = tmp_path / "harbor.yml"
    path.write_text("hostname: x\nregistry: {url: 'http://r'}\nworkers: many\n")
    result = _run(*arguments, "--config", str(path))
    assert result.exit_code == 2
    assert result.output == "harbor.yml: workers: must be a whole number\n"
