from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import click
import pytest

from sidecar.commands.common import database, event_type_named, host_of, policy_id, rfc3339
from sidecar.config import Settings, load
from sidecar.event import EventType
from sidecar.policy import Target
from tests.support.builders import START
from tests.unit.commands.conftest import Run


@pytest.mark.parametrize("command", ["check", "serve"])
def test_mistakes_are_lines_on_standard_error_and_status_2(path: Path, command: str, run: Run) -> None:
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


def test_a_policy_is_named_by_its_id_or_its_name(settings: Settings) -> None:
    assert policy_id(settings, "") == ""
    assert policy_id(settings, "ci") == "prj/ci"
    assert policy_id(settings, "gone/since/long") == "gone/since/long"
    with pytest.raises(click.UsageError, match="No policy is called nobody"):
        policy_id(settings, "nobody")
    twice = replace(settings, policies=(*settings.policies, replace(settings.policies[0], id="other/ci")))
    with pytest.raises(click.UsageError, match="Several policies are called ci: prj/ci, other/ci"):
        policy_id(twice, "ci")


def test_event_types_are_known_in_both_spellings() -> None:
    assert event_type_named("pushImage") is event_type_named("PUSH_ARTIFACT") is EventType.IMAGE_PUSH
    with pytest.raises(click.BadParameter, match="'push' is none of pushImage, pullImage"):
        event_type_named("push")


def test_of_a_target_only_the_host_is_shown() -> None:
    assert (
        host_of(Target(address="https://u:p@h.example.com:8443/t0ken?t0ken")) == "https://h.example.com:8443"
    )


def test_times_for_scripts_are_utc() -> None:
    east = timezone(timedelta(hours=2))
    assert rfc3339(datetime(2026, 1, 2, 5, 4, 5, 6000, tzinfo=east)) == "2026-01-02T03:04:05.006Z"
    assert rfc3339(START) == "2026-01-02T03:04:05.000Z"
    assert rfc3339(None) is None


def test_without_a_database_there_is_one_line_and_status_1(settings: Settings, tmp_path: Path) -> None:
    elsewhere = replace(settings, data_volume=tmp_path / "none")
    with pytest.raises(click.ClickException, match="there is no database at") as caught, database(elsewhere):
        pass
    assert caught.value.exit_code == 1
