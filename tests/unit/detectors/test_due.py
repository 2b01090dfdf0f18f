"""What becomes of held events with time; scenes of real clients: test_grouping.py and test_asking.py."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from sidecar.detectors.due import due
from sidecar.detectors.grouping import Holds
from sidecar.model.changes import DueLater, HeldNoLonger, Released, TraceChanged
from sidecar.model.event import Event, EventType
from sidecar.model.memory import HeldPull, HeldPush, HeldSnapshot, Trace, TraceKind
from sidecar.model.names import repository_of
from tests.support.builders import DOCKER, SKOPEO, START, a_digest

APP = repository_of("prj/app", default_project="library")
DIGEST = a_digest("image")
SECOND = timedelta(seconds=1)
HOLDS = Holds()


def an_event(kind: EventType = EventType.IMAGE_PULL, **more: Any) -> Event:
    known = Event(id=uuid4(), type=kind, occurred_at=START, operator="", repository=APP, digest=DIGEST)
    return replace(known, **more)


def a_pull(**more: Any) -> HeldPull:
    return replace(HeldPull(event=an_event(), client=DOCKER, due_at=START, needs_blob=False), **more)


def a_push(**more: Any) -> HeldPush:
    return replace(HeldPush(event=an_event(EventType.IMAGE_PUSH), due_at=START), **more)


def a_resolution(tag: str, second: float, **more: Any) -> Trace:
    known = Trace(
        kind=TraceKind.RESOLVED, client=DOCKER, repository=APP, digest=DIGEST, tag=tag, seen_at=START
    )
    return replace(known, seen_at=START + second * SECOND, **more)


def test_what_is_due_is_raised_and_released() -> None:
    push, pull = a_push(), a_pull()
    detected = due(HeldSnapshot(pushes=(push,), pulls=(pull,)), HOLDS, START)
    assert detected.events == (push.event, pull.event)
    assert detected.changes == (Released(push.event.id), Released(pull.event.id))


def test_what_lies_too_far_ahead_waits_no_longer_than_from_now_on() -> None:
    late = a_pull(due_at=START + 4 * SECOND)
    detected = due(HeldSnapshot(pulls=(late,)), HOLDS, START)
    assert (detected.events, detected.changes) == (
        (),
        (HeldNoLonger(START + 3 * SECOND, START + 30 * SECOND),),
    )


def test_without_a_hold_what_lies_ahead_is_due() -> None:
    late = a_pull(due_at=START + 4 * SECOND)
    assert due(HeldSnapshot(pulls=(late,)), Holds(pull=timedelta()), START).events == (late.event,)


@pytest.mark.parametrize(("second", "waits"), [(-30, False), (-29, True), (0, True), (1, False)])
def test_a_push_waits_while_its_repository_is_uploaded_to(second: int, *, waits: bool) -> None:
    push, uploaded_at = a_push(), START + second * SECOND
    detected = due(HeldSnapshot(pushes=(push,), uploaded_at={"prj/app": uploaded_at}), HOLDS, START)
    wanted = DueLater(push.event.id, uploaded_at + HOLDS.push) if waits else Released(push.event.id)
    assert (detected.events, detected.changes) == (() if waits else (push.event,), (wanted,))


def test_a_read_back_without_a_blob_is_none_and_takes_no_resolution() -> None:
    pull = a_pull(needs_blob=True)
    detected = due(HeldSnapshot(pulls=(pull,), traces=(a_resolution("v1", -1),)), HOLDS, START)
    assert (detected.events, detected.changes) == ((), (Released(pull.event.id),))
    fetched = replace(pull, blob_fetched=True)
    assert due(HeldSnapshot(pulls=(fetched,)), HOLDS, START).events == (pull.event,)


def test_each_pull_takes_a_resolution_of_its_own_the_last_one_first() -> None:
    pulls = tuple(a_pull(event=an_event()) for _ in range(3))
    traces = (a_resolution("v1", -2), a_resolution("v2", -1), a_resolution("taken", 0, taken_at=START))
    detected = due(HeldSnapshot(pulls=pulls, traces=traces), HOLDS, START)
    assert [event.tag for event in detected.events] == ["v2", "v1", ""]
    changed = [change for change in detected.changes if isinstance(change, TraceChanged)]
    assert [change.before for change in changed] == [traces[1], traces[0]]
    assert all(change.after.taken_at for change in changed)


@pytest.mark.parametrize("other", [{"second": 1}, {"second": -61}, {"second": 0, "client": SKOPEO}])
def test_a_resolution_of_another_time_or_client_is_not_taken(other: dict[str, Any]) -> None:
    held = HeldSnapshot(pulls=(a_pull(),), traces=(a_resolution("v1", **other),))
    assert [event.tag for event in due(held, HOLDS, START).events] == [""]


@pytest.mark.parametrize(("untaken", "several_workers", "left"), [(1, True, 1), (2, True, 0), (1, False, 2)])
def test_children_of_an_index_that_another_worker_recorded_are_each_taken_once(
    untaken: int, left: int, *, several_workers: bool
) -> None:
    child = replace(a_resolution("", 0), kind=TraceKind.CHILD, untaken=untaken)
    held = HeldSnapshot(pulls=tuple(a_pull(event=an_event()) for _ in range(2)), traces=(child,))
    detected = due(held, HOLDS, START, several_workers=several_workers)
    assert len(detected.events) == left
    changed = [change for change in detected.changes if isinstance(change, TraceChanged)]
    assert [change.after.untaken for change in changed] == list(range(untaken - 1, -1, -1))[: 2 - left]
