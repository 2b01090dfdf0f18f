"""What commands share: options, the configuration, the database beside the running sidecar."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import click

from sidecar.commands.times import moment_option
from sidecar.config import Settings, load
from sidecar.errors import ConfigError, StoreUnavailable
from sidecar.event import EventType, of_harbor_alone, parse_event_type
from sidecar.policy import Target
from sidecar.store.beside import Connection, open_beside
from sidecar.store.schema import DATABASE_FILE

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
    kind = parse_event_type(text)
    if kind is None and (alone := of_harbor_alone(text)):
        raise click.BadParameter(f"{alone} is never raised by this program.")
    if kind is None:
        raise click.BadParameter(f"{text!r} is none of {', '.join(EventType)}.")
    return kind


policy_option = click.option("--policy", default="", help="Only of this policy: project/name, or its name.")
project_option = click.option("--project", default="", help="Only of this project.")
event_type_option = click.option("--event-type", type=event_type_named, help="Only these, as pushImage.")


def since_option(what: str) -> Callable[[_Command], _Command]:
    return click.option(
        "--since", type=moment_option, help=f"{what}: 90s, 1h, 2d ago, or as 2026-01-02T03:04:05Z."
    )


def read_settings(path: Path) -> Settings:
    """The configuration; ends the program with every mistake when it cannot be used."""
    try:
        return load(path, os.environ)
    except ConfigError as exc:
        for mistake in exc.mistakes:
            click.echo(mistake, err=True)
        sys.exit(_USAGE)


@contextmanager
def database(settings: Settings, *, writable: bool = False) -> Iterator[Connection]:
    """The sidecar's database; trouble with it is one line and status 1."""
    try:
        with open_beside(settings.data_volume / DATABASE_FILE, writable=writable) as connection:
            yield connection
    except StoreUnavailable as exc:
        raise click.ClickException(str(exc)) from exc


def policy_id(settings: Settings, text: str) -> str:
    """The id that a policy's id or name stands for; an id may be of a policy that was removed."""
    if not text or "/" in text:
        return text
    found = [policy.id for policy in settings.policies if policy.name == text]
    if len(found) == 1:
        return found[0]
    if found:
        raise click.UsageError(f"Several policies are called {text}: {', '.join(found)}.")
    raise click.UsageError(f"No policy is called {text}; write project/name for one that was removed.")


def host_of(target: Target) -> str:
    """Scheme and host: user, path and query may be secrets (chat systems)."""
    parts = urlsplit(target.address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def rfc3339(at: datetime | None) -> str | None:
    """A time for scripts."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") if at else None


def echo_json(document: object) -> None:
    click.echo(json.dumps(document, indent=2))
