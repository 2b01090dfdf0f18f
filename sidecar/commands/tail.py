"""`sidecar tail`: events as they are stored; those that no policy subscribes to are not."""

import json
import signal
from datetime import datetime
from pathlib import Path

import click

from sidecar.commands.common import (
    answers,
    config_option,
    event_type_option,
    json_option,
    project_option,
    read_settings,
    since_option,
)
from sidecar.commands.text import echo_lines, plain, when
from sidecar.model.event import Event, EventType
from sidecar.services.events import EventFilter, event_document, follow_events


@click.command("tail")
@project_option
@event_type_option
@since_option("Begin with the events that occurred since then")
@json_option
@config_option
def command(
    project: str, event_type: EventType | None, since: datetime | None, config: Path, *, as_json: bool
) -> None:
    """Follow events as they are stored.

    One line for each, with --json a document on a line, until Ctrl-C. An event that no policy wants is
    not stored.
    """
    settings = read_settings(config)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    wanted = EventFilter(project=project, event_type=event_type, since=since)
    with answers():
        try:
            for stored in follow_events(settings, wanted):
                _echo(stored.event, as_json=as_json)
        except KeyboardInterrupt:
            return


def _echo(event: Event, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(event_document(event)))
    else:
        echo_lines([line_of(event)])


def line_of(event: Event) -> str:
    """Time, type, resource and user; wide enough to align most lines."""
    tags = ",".join(event.tags) if len(event.tags) > 1 else event.tag
    reference = f"{event.repository.full_name}:{tags}" if tags else event.repository.full_name
    details = event.details or event.digest[:19]
    return plain(
        f"{when(event.occurred_at)}  {event.type:<15}  {reference:<40}  {event.operator or '-':<12}  {details}"
    ).rstrip()
