"""`sidecar policies`: policies and targets, what waits for them, when each was last triggered."""

from datetime import UTC, datetime
from pathlib import Path

import click

from sidecar.commands.away import away_words
from sidecar.commands.common import answers, config_option, echo_json, json_option, read_settings
from sidecar.commands.text import echo_table, when
from sidecar.config import Settings
from sidecar.model.event import EventType
from sidecar.policies.target import Target, TargetType
from sidecar.services.policies import PolicyStatus, TargetStatus, list_policies, policy_document
from sidecar.services.shown import host_of, is_verified

_TARGETS = (
    "POLICY",
    "ENABLED",
    "TARGET",
    "FORMAT",
    "AUTH",
    "SIGNED",
    "VERIFIED",
    "WAITING",
    "DISABLED",
    "AWAY (UTC)",
)
_TRIGGERED = ("POLICY", "EVENT TYPE", "LAST TRIGGERED (UTC)")


@click.command("policies")
@config_option
@json_option
def command(config: Path, *, as_json: bool) -> None:
    """List webhook policies, what waits for them and what they last heard of."""
    settings = read_settings(config)
    with answers():
        policies = list_policies(settings)
    if as_json:
        echo_json(
            {"enabled": settings.notification.enabled, "policies": list(map(policy_document, policies))}
        )
    elif policies:
        _show(settings, policies)
    else:
        click.echo("No webhook policies: no event is delivered to anyone.")


def _show(settings: Settings, policies: list[PolicyStatus]) -> None:
    if not settings.notification.enabled:
        click.echo("Webhooks are switched off (notification.enabled).\n")
    now = datetime.now(UTC)
    echo_table([_TARGETS, *(_row(found, target, now) for found in policies for target in found.targets)])
    click.echo()
    echo_table([_TRIGGERED, *(row for found in policies for row in _last(found))])


def _row(found: PolicyStatus, status: TargetStatus, now: datetime) -> tuple[str, ...]:
    target, gone = status.target, status.disabled
    return (
        found.policy.id,
        _yes(found.policy.enabled),
        host_of(target),
        _format(target),
        _yes(bool(target.auth_header)),
        _yes(target.is_signed),
        _yes(is_verified(target)),
        str(status.waiting),
        f"{gone.reason}, {when(gone.at)}" if gone else "-",
        away_words(status.away, now=now) if status.away else "-",
    )


def _last(found: PolicyStatus) -> list[tuple[str, ...]]:
    policy, last = found.policy, found.last_triggered
    triggered: list[tuple[str, ...]] = [
        (policy.id, str(kind), when(last[kind])) for kind in EventType if kind in last
    ]
    if rest := policy.event_types - last.keys():
        triggered.append((policy.id, "all" if not triggered else f"{len(rest)} others", "never"))
    return triggered


def _format(target: Target) -> str:
    return target.payload_format if target.type is TargetType.HTTP else target.type


def _yes(claim: bool) -> str:  # noqa: FBT001  # a value to be shown
    return "yes" if claim else "no"
