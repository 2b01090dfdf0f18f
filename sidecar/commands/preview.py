"""`sidecar preview`: what the targets of a policy would receive, without sending anything."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from sidecar import wiring
from sidecar.commands.common import (
    config_option,
    echo_json,
    event_type_named,
    host_of,
    json_option,
    policy_id,
    read_settings,
)
from sidecar.commands.text import plain
from sidecar.config import Settings
from sidecar.delivery import Delivery
from sidecar.event import EventType
from sidecar.formats import unsupported_types
from sidecar.formats.fanout import deliveries_for
from sidecar.formats.samples import SAMPLE_CREATED_AT, sample_of
from sidecar.pipeline import context_of
from sidecar.policy import ALL_PROJECTS, WebhookPolicy

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
    chosen = _named(settings, policy)
    kinds = [event_type] if event_type else [kind for kind in EventType if kind in chosen.event_types]
    previews = list(_previews(settings, chosen, kinds))
    if as_json:
        echo_json([_document(chosen, delivery) for delivery in previews])
    else:
        shown = [_text(chosen, delivery) for delivery in previews]
        click.echo("\n\n".join([*shown, *_unsent(chosen, kinds)]))
    if any(delivery.reason for delivery in previews):
        raise click.exceptions.Exit(_FAILED)


def _named(settings: Settings, text: str) -> WebhookPolicy:
    wanted = policy_id(settings, text)
    for policy in settings.policies:
        if policy.id == wanted:
            return policy
    raise click.UsageError(f"No policy is called {text}.")


def _previews(settings: Settings, policy: WebhookPolicy, kinds: list[EventType]) -> Iterator[Delivery]:
    project = settings.events.default_project if policy.project == ALL_PROJECTS else policy.project
    is_public = any(found.name == project and found.public for found in settings.projects)
    context = context_of(wiring.pipeline_settings(settings), is_public=is_public, at=SAMPLE_CREATED_AT)
    unfiltered = WebhookPolicy(id=policy.id, project=policy.project, name=policy.name, targets=policy.targets)
    for kind in kinds:
        event = sample_of(kind, project=project)
        yield from deliveries_for(event, [unfiltered], lambda _: context, event.occurred_at)


def _text(policy: WebhookPolicy, delivery: Delivery) -> str:
    target = policy.targets[delivery.target.index]
    head = f"# {delivery.event_type} to {host_of(target)}"
    if delivery.reason:
        return f"{head}: {delivery.reason}"
    body = "\n".join(map(plain, delivery.body.decode(errors="replace").split("\n")))
    return f"{head}, {delivery.content_type}\n{body}"


def _unsent(policy: WebhookPolicy, kinds: list[EventType]) -> Iterator[str]:
    for target in policy.targets:
        for kind in kinds:
            if kind in unsupported_types(target.payload_format):
                yield f"# {kind} to {host_of(target)}: not sent, {target.payload_format} has no event type for it"


def _document(policy: WebhookPolicy, delivery: Delivery) -> dict[str, object]:
    return {
        "event_type": delivery.event_type,
        "target": delivery.target.index,
        "host": host_of(policy.targets[delivery.target.index]),
        "content_type": delivery.content_type,
        "body": delivery.body.decode(errors="replace"),
        "error": delivery.reason,
    }
