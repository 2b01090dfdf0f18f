"""The command line: serve, check and --version.

Exit status 2 means that the configuration cannot be used; every mistake is a line on standard error.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import click
import structlog

from sidecar import logs
from sidecar.config import ChartUpstream, Notification, Settings, load
from sidecar.errors import ConfigError
from sidecar.event import EventType
from sidecar.operation import DYNAMIC
from sidecar.policy import Target, WebhookPolicy

_USAGE = 2
_GAP = 3

_config = click.option(
    "--config",
    type=click.Path(path_type=Path),
    envvar="SIDECAR_CONFIG",
    default="harbor.yml",
    show_default=True,
    show_envvar=True,
    help="Where harbor.yml is.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="registry-webhook-sidecar", prog_name="sidecar")
def main() -> None:
    """Harbor's webhooks for any container registry and chart repository."""


@main.command()
@_config
def serve(config: Path) -> None:
    """Run in the foreground until SIGTERM."""
    settings = _settings(config)
    logs.configure(settings.log_level)
    for notice in settings.notices:
        structlog.get_logger().warning("config.not_in_effect", notice=notice)
    from sidecar.app import run  # noqa: PLC0415 - `check` needs no server, and is quick without

    sys.exit(run(settings, config))


@main.command()
@_config
def check(config: Path) -> None:
    """Read the configuration, say what is wrong with it or what it means."""
    settings = _settings(config)
    click.echo(f"{config} can be used.\n")
    for line in summary(settings):
        click.echo(line)
    for notice in settings.notices:
        click.echo(notice, err=True)


def _settings(path: Path) -> Settings:
    try:
        return load(path, os.environ)
    except ConfigError as exc:
        for mistake in exc.mistakes:
            click.echo(mistake, err=True)
        sys.exit(_USAGE)


def summary(settings: Settings) -> Iterator[str]:
    """What was understood, without anything secret."""
    yield from _table(_facts(settings))
    yield ""
    if not settings.policies:
        yield "No webhook policies: no event is delivered to anyone."
        return
    yield from _table([("POLICY", "EVENTS", "ONLY", "TARGETS"), *map(_policy_row, settings.policies)])


def _facts(settings: Settings) -> list[tuple[str, str]]:
    return [
        ("hostname", settings.hostname),
        ("external_url", settings.external_url),
        ("listen", f"proxy {_address(settings.listen_proxy)}, admin {_address(settings.listen_admin)}"),
        ("registry", settings.registry.url),
        ("chart_repository", _charts(settings.chart_repository)),
        ("data_volume", str(settings.data_volume)),
        ("events", f"{settings.events.mode}, default project {settings.events.default_project}"),
        ("notification", _notification(settings.notification)),
        ("projects", ", ".join(project.name for project in settings.projects) or "none configured"),
    ]


def _charts(charts: ChartUpstream | None) -> str:
    if charts is None:
        return "none"
    depth = "dynamic" if charts.depth == DYNAMIC else charts.depth
    return f"{charts.url}{charts.context_path}, depth {depth}"


def _notification(notification: Notification) -> str:
    if not notification.enabled:
        return "off"
    return (
        f"on, given up after {notification.max_retry} failed attempts of {notification.timeout_s:g} s at most"
    )


def _address(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _policy_row(policy: WebhookPolicy) -> tuple[str, str, str, str]:
    events = "all" if policy.event_types == frozenset(EventType) else " ".join(sorted(policy.event_types))
    return (
        policy.id if policy.enabled else f"{policy.id} (off)",
        events,
        " ".join((*policy.repositories, *(f"tag:{tag}" for tag in policy.tags))) or "-",
        " ".join(map(_target, policy.targets)),
    )


def _target(target: Target) -> str:
    """Host and format; the path may be a secret (chat systems)."""
    parts = urlsplit(target.address)
    host = parts.netloc.rpartition("@")[2]
    signed = ", signed" if target.secret else ""
    return f"{parts.scheme}://{host} ({target.payload_format}{signed})"


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) + _GAP for column in zip(*rows, strict=True)]
    for row in rows:
        yield "".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
