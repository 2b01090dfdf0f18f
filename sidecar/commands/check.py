"""`sidecar check`: what a configuration means, or what is wrong with it."""

from collections.abc import Iterator
from pathlib import Path

import click

from sidecar.commands.common import config_option, read_settings
from sidecar.commands.text import table
from sidecar.config import ChartUpstreamSettings, Notification, Settings
from sidecar.model.event import IN_ALL
from sidecar.model.operation import DYNAMIC
from sidecar.policies.policy import WebhookPolicy
from sidecar.policies.target import Target
from sidecar.services.shown import host_of


@click.command("check")
@config_option
def command(config: Path) -> None:
    """Read the configuration, say what is wrong with it or what it means."""
    settings = read_settings(config)
    click.echo(f"{config} can be used.\n")
    for line in summary(settings):
        click.echo(line)
    for notice in settings.notices:
        click.echo(notice, err=True)


def summary(settings: Settings) -> Iterator[str]:
    """The resulting settings, without secrets."""
    yield from table(_rows(settings))
    yield ""
    if not settings.policies:
        yield "No webhook policies: no event is delivered to anyone."
        return
    yield from table([("POLICY", "EVENTS", "ONLY", "TARGETS"), *map(_policy_row, settings.policies)])


def _rows(settings: Settings) -> list[tuple[str, str]]:
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


def _charts(charts: ChartUpstreamSettings | None) -> str:
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
    events = "all" if policy.event_types == IN_ALL else " ".join(sorted(policy.event_types))
    return (
        policy.id if policy.enabled else f"{policy.id} (off)",
        events or "none",
        " ".join(_filters(policy)) or "-",
        " ".join(map(_target, policy.targets)),
    )


def _filters(policy: WebhookPolicy) -> Iterator[str]:
    yield from policy.repositories
    yield from (f"tag:{glob}" for glob in policy.tags)
    yield from (f"not:{glob}" for glob in policy.exclude_repositories)
    yield from (f"not-tag:{glob}" for glob in policy.exclude_tags)
    yield from (f"user:{glob or '(anonymous)'}" for glob in policy.operators)


def _target(target: Target) -> str:
    signed = ", signed" if target.is_signed else ""
    return f"{host_of(target)} ({target.payload_format}{signed})"
