"""What is written of what was detected."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sidecar.formats import FormatContext
from sidecar.model.changes import Decided, Detected, Released, RepositorySeen
from sidecar.model.event import Chart, Event, EventType
from sidecar.model.names import Repository, repository_of
from sidecar.recording.fan_out import FanOut
from tests.support.builders import START
from tests.unit.recording.test_recorder import APP, POLICY, SETTINGS

LATER = START + timedelta(hours=1)
OTHER = repository_of("prj/other", default_project="library")


class Asked:
    """What formats were told of repositories."""

    def __init__(self) -> None:
        self.dates: list[int | None] = []

    def context(self, _project: str, created_at: int | None) -> FormatContext:
        self.dates.append(created_at)
        return FormatContext(
            hostname="reg", external_url=SETTINGS.external_url, public=False, repository_created_at=created_at
        )


def decision(
    *events: Event, created: dict[str, datetime] | None = None, **more: Any
) -> tuple[Decided, Asked]:
    asked = Asked()
    policies = more.pop("policies", (POLICY,))
    wants = more.pop("wants_oci_chart", False)
    fan_out = FanOut(policies, wants_oci_chart=lambda _: wants, context=asked.context)
    detected = Detected(events, (Released(events[0].id),))
    return fan_out.decision(detected, created or {}, at=LATER), asked


def an_event(kind: EventType = EventType.IMAGE_PUSH, repository: Repository = APP, **more: Any) -> Event:
    known: dict[str, Any] = {"operator": "", "tag": "v1", "tags": ("v1",), "occurred_at": START}
    return Event(id=uuid4(), type=kind, repository=repository, **known | more)


def test_a_repository_is_dated_from_the_first_event_of_it() -> None:
    events = an_event(), an_event(occurred_at=LATER), an_event(repository=OTHER)
    written, asked = decision(*events)
    assert written.changes == (
        Released(events[0].id),
        RepositorySeen(APP, START),
        RepositorySeen(OTHER, START),
    )
    assert asked.dates == [int(START.timestamp())] * 3


def test_a_repository_that_is_dated_keeps_its_date() -> None:
    event = an_event()
    written, asked = decision(event, created={"prj/app": LATER})
    assert (written.changes, asked.dates) == ((Released(event.id),), [int(LATER.timestamp())])


def test_a_refused_push_is_no_first_sight() -> None:
    event = an_event(EventType.QUOTA_EXCEED)
    written, asked = decision(event)
    assert (written.changes, asked.dates) == ((Released(event.id),), [None])


def test_a_chart_that_is_an_image_is_both_where_that_is_wanted() -> None:
    event = an_event(chart=Chart(name="app", version="1", type="", size_bytes=1))
    for wanted, number in ((False, 1), (True, 2)):
        written, _ = decision(event, wants_oci_chart=wanted)
        assert len(written.raised) == number
        assert written.next_attempt_at == LATER


def test_what_nobody_wants_is_no_event_and_its_repository_is_seen() -> None:
    written, asked = decision(an_event(), policies=())
    assert (written.raised, asked.dates) == ((), [])
    assert written.changes[-1] == RepositorySeen(APP, START)


def test_nothing_is_raised_where_webhooks_are_switched_off() -> None:
    event = an_event()
    written, _ = decision(event, policies=None)
    assert written == Decided(changes=(Released(event.id),))
