from dataclasses import replace
from datetime import timedelta
from itertools import islice
from uuid import uuid4

import pytest

from sidecar.config import Settings
from sidecar.model.event import EventType
from sidecar.services.events import EventFilter, event_document, follow_events
from tests.support.builders import START
from tests.unit.formats.samples import an_event
from tests.unit.store.test_history import Shelf


class _StopIt(Exception):
    pass


def _stop(_: float) -> None:
    raise _StopIt


async def test_what_is_stored_later_follows_what_was_there(settings: Settings, shelf: Shelf) -> None:
    await shelf.keep(0)
    there = await shelf.keep(10)
    slept: list[float] = []
    since = EventFilter(since=START + timedelta(minutes=5))
    events = follow_events(settings, since, pause=slept.append)
    assert next(events).event.id == there.event_id
    later = [await shelf.keep(11), await shelf.keep(12)]
    assert [stored.event.id for stored in islice(events, 2)] == [delivery.event_id for delivery in later]


async def test_without_a_time_only_what_comes_is_told(settings: Settings, shelf: Shelf) -> None:
    await shelf.keep()
    with pytest.raises(_StopIt):
        next(follow_events(settings, EventFilter(), pause=_stop))


async def test_who_left_off_goes_on_where_that_was(settings: Settings, shelf: Shelf) -> None:
    kept = [await shelf.keep(minute) for minute in range(4)]
    everything = follow_events(settings, EventFilter(since=START), pause=_stop)
    first, second = islice(everything, 2)
    assert first.number < second.number
    rest = follow_events(settings, EventFilter(), after=second.number, pause=_stop)
    assert [stored.event.id for stored in islice(rest, 2)] == [delivery.event_id for delivery in kept[2:]]
    with pytest.raises(_StopIt):
        next(rest)


def test_events_are_chosen_by_project_type_and_time() -> None:
    event = an_event()
    assert EventFilter().includes(event)
    assert EventFilter(project="prj", event_type=EventType.IMAGE_PUSH, since=event.occurred_at).includes(
        event
    )
    assert not EventFilter(project="other").includes(event)
    assert not EventFilter(event_type=EventType.IMAGE_PULL).includes(event)
    assert not EventFilter(since=event.occurred_at + timedelta(seconds=1)).includes(event)


def test_a_document_has_the_same_keys_whatever_happened() -> None:
    image = event_document(replace(an_event(), id=uuid4()))
    chart = event_document(an_event(EventType.CHART_PUSH))
    assert list(image) == list(chart)
    assert (image["event_type"], image["occurred_at"]) == ("pushImage", "2026-01-02T03:04:05.678Z")
    assert chart["chart"] == {"name": "web", "version": "1.2.3", "type": "application", "size_bytes": 4711}
