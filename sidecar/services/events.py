"""Events as they are stored; those that no policy subscribes to are not."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sidecar.config import Settings
from sidecar.model.event import Event, EventType
from sidecar.services.database import history_of
from sidecar.services.shown import rfc3339

_POLL_S: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """A filter on events; empty fields match everything."""

    project: str = ""
    event_type: EventType | None = None
    since: datetime | None = None  #: occurred then or later

    def includes(self, event: Event) -> bool:
        return (
            self.project in {"", event.repository.project}
            and self.event_type in {None, event.type}
            and (self.since is None or event.occurred_at >= self.since)
        )


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event with its position in the order of storing."""

    number: int  #: greater for each event stored
    event: Event


def follow_events(
    settings: Settings,
    wanted: EventFilter,
    *,
    after: int | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[StoredEvent]:
    """Events in the order they were stored, without end: those since `wanted.since`, then new ones.

    after   where to resume: the number of the last event seen; overrides `since`
    pause   called with seconds while there is no new event; an exception that it raises ends the iteration

    Raises StoreUnavailable. Blocks until the next event: one thread can serve many listeners.
    """
    with history_of(settings) as history:
        number = after
        if number is None:
            number = history.event_before(wanted.since) if wanted.since else history.newest_event()
        while True:
            found = history.events_after(number)
            for number, event in found:  # where to continue
                if wanted.includes(event):
                    yield StoredEvent(number, event)
            if not found:
                pause(_POLL_S)


def event_document(event: Event) -> dict[str, Any]:
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
