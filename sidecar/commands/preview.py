"""`sidecar preview`: what the targets of a policy would receive, without sending anything."""

from pathlib import Path
from typing import Final

import click

from sidecar.commands.common import (
    config_option,
    echo_json,
    event_type_named,
    json_option,
    policy_named,
    read_settings,
)
from sidecar.commands.text import plain
from sidecar.model.delivery import Delivery
from sidecar.model.event import EventType
from sidecar.policies.policy import WebhookPolicy
from sidecar.policies.target import Target
from sidecar.services.previews import preview, preview_document
from sidecar.services.shown import host_of

_FAILED: Final = 1


@click.command("preview")
@click.option("--policy", required=True, help="Its id, project/name, or its name.")
@click.option("--event-type", type=event_type_named, help="Only this, as pushImage; left out: all it wants.")
@json_option
@config_option
def command(policy: str, event_type: EventType | None, config: Path, *, as_json: bool) -> None:
    """Show what a policy's targets would receive for sample events.

    Nothing is sent, and no database is needed: for trying a template out. Filters are not looked at.
    """
    settings = read_settings(config)
    chosen = policy_named(settings, policy)
    found = preview(settings, chosen, event_type)
    if as_json:
        echo_json(preview_document(found))
    else:
        shown = [_text(chosen, delivery) for delivery in found.deliveries]
        click.echo("\n\n".join([*shown, *(_unsent(target, kind) for target, kind in found.unsent)]))
    if any(delivery.reason for delivery in found.deliveries):
        raise click.exceptions.Exit(_FAILED)


def _text(policy: WebhookPolicy, delivery: Delivery) -> str:
    target = policy.targets[delivery.position]
    head = f"# {delivery.event_type} to {host_of(target)}"
    if delivery.reason:
        return f"{head}: {delivery.reason}"
    body = "\n".join(map(plain, delivery.body.decode(errors="replace").split("\n")))
    return f"{head}, {delivery.content_type}\n{body}"


def _unsent(target: Target, kind: EventType) -> str:
    return f"# {kind} to {host_of(target)}: not sent, {target.payload_format} has no event type for it"
