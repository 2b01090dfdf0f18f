"""`sidecar tail`: events as they are stored, those that some policy wants."""

import json
import signal
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click

from sidecar.commands.common import (
    config_option,
    database,
    event_type_option,
    json_option,
    project_option,
    read_settings,
    rfc3339,
    since_option,
)
from sidecar.commands.text import echo_lines, plain, when
from sidecar.event import Event, EventType
from sidecar.store.history import History

_POLL_S: Final = 0.2


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
    with database(settings) as connection:
        try:
            for event in follow(History(connection), since=since):
                if _is_wanted(event, project, event_type):
                    _echo(event, as_json=as_json)
        except KeyboardInterrupt:
            return


def follow(
    history: History, *, since: datetime | None, sleep: Callable[[float], None] = time.sleep
) -> Iterator[Event]:
    """Events in the order they were stored, for ever; those to come, and before them those since then."""
    number = history.event_before(since) if since else history.newest_event()
    while True:
        found = history.events_after(number)
        for number, event in found:  # noqa: B007  # where to go on
            if since is None or event.occurred_at >= since:
                yield event
        if not found:
            sleep(_POLL_S)


def _is_wanted(event: Event, project: str, event_type: EventType | None) -> bool:
    return project in {"", event.repository.project} and event_type in {None, event.type}


def _echo(event: Event, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(document_of(event)))
    else:
        echo_lines([line_of(event)])


def line_of(event: Event) -> str:
    """When, what, of what, by whom; wide enough that most lines stand in columns."""
    tags = ",".join(event.tags) if len(event.tags) > 1 else event.tag
    reference = f"{event.repository.full_name}:{tags}" if tags else event.repository.full_name
    details = event.details or event.digest[:19]
    return plain(
        f"{when(event.occurred_at)}  {event.type:<15}  {reference:<40}  {event.operator or '-':<12}  {details}"
    ).rstrip()


def document_of(event: Event) -> dict[str, Any]:
    chart = event.chart
    return {
        "id": str(event.id),
        "event_type": event.type,
        "occurred_at": rfc3339(event.occurred_at),
        "project": event.repository.project,
        "repository": event.repository.full_name,
        "tag": event.tag,
        "tags": list(event.tags),
        "digest": event.digest,
        "media_type": event.media_type,
        "platforms": list(event.platforms),
        "size_bytes": event.size_bytes,
        "chart": {
            "name": chart.name,
            "version": chart.version,
            "type": chart.type,
            "size_bytes": chart.size_bytes,
        }
        if chart
        else None,
        "operator": event.operator,
        "user_agent": event.user_agent,
        "request_id": event.request_id,
        "details": event.details,
    }
