"""Shared by commands: options, loading the configuration, and reporting the errors of services."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from sidecar.commands.times import moment_option
from sidecar.config import Settings
from sidecar.model.errors import NotFound, RequestInvalid, StoreUnavailable
from sidecar.model.event import EventType
from sidecar.policies.policy import WebhookPolicy
from sidecar.services import naming
from sidecar.services.configuration import check_configuration

_USAGE: Final = 2
_Command = TypeVar("_Command", bound=Callable[..., Any])

config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    envvar="SIDECAR_CONFIG",
    default="harbor.yml",
    show_default=True,
    show_envvar=True,
    help="Where harbor.yml is.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON, for scripts.")


def event_type_named(text: str) -> EventType:
    """The type of an option that is an event type, in any of Harbor's spellings."""
    try:
        return naming.event_type_named(text)
    except RequestInvalid as exc:
        raise click.BadParameter(str(exc)) from exc


policy_option = click.option("--policy", default="", help="Only of this policy: project/name, or its name.")
project_option = click.option("--project", default="", help="Only of this project.")
event_type_option = click.option("--event-type", type=event_type_named, help="Only these, as pushImage.")


def since_option(what: str) -> Callable[[_Command], _Command]:
    return click.option(
        "--since", type=moment_option, help=f"{what}: 90s, 1h, 2d ago, or as 2026-01-02T03:04:05Z."
    )


def read_settings(path: Path) -> Settings:
    """The configuration; ends the program with every error when it cannot be used."""
    checked = check_configuration(path, os.environ)
    if checked.settings is None:
        for error in checked.errors:
            click.echo(error, err=True)
        sys.exit(_USAGE)
    return checked.settings


@contextmanager
def answers() -> Iterator[None]:
    """Reports a failed request in one line and ends with status 1."""
    try:
        yield
    except (NotFound, RequestInvalid, StoreUnavailable) as exc:
        raise click.ClickException(str(exc)) from exc


@contextmanager
def _usage() -> Iterator[None]:
    """Reports an option that names something unknown, with status 2."""
    try:
        yield
    except (NotFound, RequestInvalid) as exc:
        raise click.UsageError(str(exc)) from exc


def policy_id(settings: Settings, text: str) -> str:
    with _usage():
        return naming.policy_id(settings, text)


def policy_named(settings: Settings, text: str) -> WebhookPolicy:
    with _usage():
        return naming.policy_named(settings, text)


def echo_json(document: object) -> None:
    click.echo(json.dumps(document, indent=2))
