"""`sidecar policies`: who hears of what, what waits for them, when they last heard."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from sidecar.commands.away import Away, away_document, away_targets, away_words
from sidecar.commands.common import (
    config_option,
    database,
    echo_json,
    host_of,
    json_option,
    read_settings,
    rfc3339,
)
from sidecar.commands.text import echo_table, when
from sidecar.config import Settings
from sidecar.delivery import TargetKey
from sidecar.event import EventType
from sidecar.policy import Target, WebhookPolicy
from sidecar.store.disabled import DisabledTarget
from sidecar.store.history import History

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
    with database(settings) as connection:
        history = History(connection)
        if as_json:
            echo_json(_document(settings, history))
        elif settings.policies:
            _show(settings, history)
        else:
            click.echo("No webhook policies: no event is delivered to anyone.")


def _show(settings: Settings, history: History) -> None:
    if not settings.notification.enabled:
        click.echo("Webhooks are switched off (notification.enabled).\n")
    gone, away = _disabled(settings, history), away_targets(settings, history)
    rows = [row for policy in settings.policies for row in _target_rows(policy, history, gone, away)]
    echo_table([_TARGETS, *rows])
    click.echo()
    echo_table([_TRIGGERED, *(row for policy in settings.policies for row in _last(policy, history))])


def _disabled(settings: Settings, history: History) -> dict[TargetKey, DisabledTarget]:
    """Targets that answered 410 Gone and have the same address still."""
    addresses = {
        TargetKey(policy_id=policy.id, index=index): target.address
        for policy in settings.policies
        for index, target in enumerate(policy.targets)
    }
    return {
        found.target: found
        for found in history.disabled_targets()
        if found.target in addresses and found.is_about(addresses[found.target])
    }


def _target_rows(
    policy: WebhookPolicy, history: History, gone: dict[TargetKey, DisabledTarget], away: Away
) -> list[tuple[str, ...]]:
    now = datetime.now(UTC)
    return [
        (
            policy.id,
            _yes(policy.enabled),
            host_of(target),
            _format(target),
            _yes(bool(target.auth_header)),
            _yes(target.is_signed),
            _yes(_is_verified(target)),
            str(history.waiting(key)),
            f"{gone[key].reason}, {when(gone[key].at)}" if key in gone else "-",
            away_words(away[key], now=now) if key in away else "-",
        )
        for index, target in enumerate(policy.targets)
        for key in (TargetKey(policy_id=policy.id, index=index),)
    ]


def _last(policy: WebhookPolicy, history: History) -> list[tuple[str, ...]]:
    last = history.last_triggered(policy.id)
    triggered: list[tuple[str, ...]] = [
        (policy.id, str(kind), when(last[kind])) for kind in EventType if kind in last
    ]
    if rest := policy.event_types - last.keys():
        triggered.append((policy.id, "all" if not triggered else f"{len(rest)} others", "never"))
    return triggered


def _format(target: Target) -> str:
    return target.payload_format if target.type == "http" else target.type


def _is_verified(target: Target) -> bool:
    """Whether the other end must prove who it is."""
    return target.address.startswith("https:") and not target.skip_cert_verify


def _yes(claim: bool) -> str:  # noqa: FBT001  # a value to be shown
    return "yes" if claim else "no"


def _document(settings: Settings, history: History) -> dict[str, Any]:
    gone, away = _disabled(settings, history), away_targets(settings, history)
    return {
        "enabled": settings.notification.enabled,
        "policies": [_policy(policy, history, gone, away) for policy in settings.policies],
    }


def _policy(
    policy: WebhookPolicy, history: History, gone: dict[TargetKey, DisabledTarget], away: Away
) -> dict[str, Any]:
    last = history.last_triggered(policy.id)
    targets = [_target(policy, index, history, gone, away) for index in range(len(policy.targets))]
    return {
        "id": policy.id,
        "project": policy.project,
        "name": policy.name,
        "enabled": policy.enabled,
        "event_types": sorted(policy.event_types),
        "repositories": list(policy.repositories),
        "tags": list(policy.tags),
        "exclude_repositories": list(policy.exclude_repositories),
        "exclude_tags": list(policy.exclude_tags),
        "operators": list(policy.operators),
        "targets": targets,
        "waiting": sum(target["waiting"] for target in targets),
        "last_triggered": {
            kind: rfc3339(last.get(kind)) for kind in sorted(policy.event_types | last.keys())
        },
    }


def _target(
    policy: WebhookPolicy, index: int, history: History, gone: dict[TargetKey, DisabledTarget], away: Away
) -> dict[str, Any]:
    target, key = policy.targets[index], TargetKey(policy_id=policy.id, index=index)
    disabled = gone.get(key)
    return {
        "index": index,
        "type": target.type,
        "host": host_of(target),
        "payload_format": target.payload_format if target.type == "http" else None,
        "auth": bool(target.auth_header),
        "signed": target.is_signed,
        "cert_verified": _is_verified(target),
        "waiting": history.waiting(key),
        "disabled": {"at": rfc3339(disabled.at), "reason": disabled.reason} if disabled else None,
        "away": away_document(away.get(key)),
    }
