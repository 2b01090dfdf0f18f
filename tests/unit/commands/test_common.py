from dataclasses import replace
from pathlib import Path

import click
import pytest

from sidecar.commands.common import answers, event_type_named, policy_id, policy_named
from sidecar.config import Settings, load
from sidecar.model.errors import ConfigError, NotFound, RequestInvalid, SidecarError, StoreUnavailable
from sidecar.model.event import EventType
from tests.unit.commands.conftest import Run


@pytest.mark.parametrize("command", ["check", "serve"])
def test_errors_are_lines_on_standard_error_and_status_2(path: Path, command: str, run: Run) -> None:
    path.write_text("hostnam: x\nworkers: many\n")
    result = run(command, "--config", str(path))
    assert result.exit_code == 2
    assert result.stdout == ""
    assert sorted(result.stderr.splitlines()) == [
        "harbor.yml: hostnam: unknown key (did you mean hostname?)",
        "harbor.yml: hostname: is missing; add it (what users write before a repository, as registry.example.com)",
        "harbor.yml: registry: is missing; add it (the registry behind the proxy; it needs the key url)",
        "harbor.yml: workers: must be a whole number",
    ]


def test_the_environment_names_the_file_and_sets_values(path: Path, run: Run) -> None:
    result = run("check", SIDECAR_CONFIG=str(path), SIDECAR_HOSTNAME="other.example.com")
    assert result.exit_code == 0
    assert "other.example.com" in result.stdout


def test_the_default_is_harbor_yml_here(path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    assert run("check").exit_code == 0
    monkeypatch.chdir("/")
    result = run("check")
    assert result.exit_code == 2
    assert result.stderr == "harbor.yml: no such file: harbor.yml; name it with --config or SIDECAR_CONFIG\n"


@pytest.fixture
def settings(path: Path) -> Settings:
    return load(path, {})


def test_a_policy_that_is_not_there_is_an_error_of_the_command_line(settings: Settings) -> None:
    assert policy_id(settings, "ci") == policy_named(settings, "ci").id == "prj/ci"
    with pytest.raises(click.UsageError, match="No policy is called nobody"):
        policy_id(settings, "nobody")
    with pytest.raises(click.UsageError, match="No policy is called prj/nobody"):
        policy_named(settings, "prj/nobody")
    twice = replace(settings, policies=(*settings.policies, replace(settings.policies[0], id="other/ci")))
    with pytest.raises(click.UsageError, match="Several policies are called ci: prj/ci, other/ci"):
        policy_id(twice, "ci")


def test_an_event_type_that_is_not_there_is_one_too() -> None:
    assert event_type_named("pushImage") is EventType.IMAGE_PUSH
    with pytest.raises(click.BadParameter, match="'push' is none of pushImage, pullImage"):
        event_type_named("push")


@pytest.mark.parametrize("fault", [NotFound, RequestInvalid, StoreUnavailable])
def test_what_a_service_cannot_do_is_one_line_and_status_1(fault: type[SidecarError]) -> None:
    with pytest.raises(click.ClickException, match="in words") as caught, answers():
        raise fault("in words")
    assert caught.value.exit_code == 1


def test_what_no_service_says_passes() -> None:
    with pytest.raises(ConfigError), answers():
        raise ConfigError(["x"])
