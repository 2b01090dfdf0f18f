from dataclasses import replace
from datetime import timedelta
from itertools import islice
from pathlib import Path
from uuid import uuid4

from sidecar.commands.tail import _is_wanted, document_of, follow, line_of
from sidecar.event import EventType
from sidecar.store.sqlite import SqliteDatabase
from tests.support.builders import START
from tests.unit.formats.samples import an_event
from tests.unit.store.test_history import Shelf


async def test_what_is_stored_later_follows_what_was_there(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "store.db")
    database.open()
    shelf = Shelf(database, tmp_path / "store.db")
    await shelf.keep(0)
    there = await shelf.keep(10)
    slept: list[float] = []
    events = follow(shelf.history, since=START + timedelta(minutes=5), sleep=slept.append)
    assert next(events).id == there.event_id
    later = [await shelf.keep(11), await shelf.keep(12)]
    assert [event.id for event in islice(events, 2)] == [delivery.event_id for delivery in later]
    shelf.sql.close()
    database.close()


def test_events_are_chosen_by_project_and_type() -> None:
    event = an_event()
    assert _is_wanted(event, "", None)
    assert _is_wanted(event, "prj", EventType.IMAGE_PUSH)
    assert not _is_wanted(event, "other", None)
    assert not _is_wanted(event, "", EventType.IMAGE_PULL)


def test_a_line_says_who_did_what_to_what_and_is_harmless() -> None:
    line = line_of(replace(an_event(), operator="al\x1b[31mice", tags=("v1", "v2")))
    assert line.split() == [
        "2026-01-02",
        "03:04:05",
        "pushImage",
        "prj/app:v1,v2",
        "al�[31mice",
        "sha256:dde8e930c7b6",
    ]
    assert line_of(an_event(operator="", tag="", digest="")).split()[3:] == ["prj/app", "-"]


def test_a_document_has_the_same_keys_whatever_happened() -> None:
    image = document_of(an_event(id=uuid4()))
    chart = document_of(an_event(EventType.CHART_PUSH))
    assert list(image) == list(chart)
    assert (image["event_type"], image["occurred_at"]) == ("pushImage", "2026-01-02T03:04:05.678Z")
    assert chart["chart"] == {"name": "web", "version": "1.2.3", "type": "application", "size_bytes": 4711}
