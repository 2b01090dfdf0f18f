"""Held events that are due: they are raised, or dropped if they turned out to be none."""

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime

from sidecar.detectors.asking import RESOLUTION_KEPT
from sidecar.detectors.enriching import with_tags
from sidecar.detectors.grouping import CHILDREN_KEPT, Holds
from sidecar.detectors.traces import resolutions, taken_child
from sidecar.model.changes import Change, Changes, Detected, DueLater, HeldNoLonger, Released, TraceChanged
from sidecar.model.event import Event
from sidecar.model.exchange import Client
from sidecar.model.memory import HeldPull, HeldPush, HeldSnapshot, Trace


def due(held: HeldSnapshot, holds: Holds, now: datetime, *, several_workers: bool = False) -> Detected:
    """Held events that are due; those that turned out to be none are dropped.

    several_workers   exchanges were recorded by several processes, and possibly out of order
    """
    # No event is held beyond a full hold from now, unless the clock was set back meanwhile.
    pulls_until, pushes_until = now + holds.pull, now + holds.push
    late = any(pull.due_at > pulls_until for pull in held.pulls) or any(
        push.due_at > pushes_until for push in held.pushes
    )
    shortened: Changes = (HeldNoLonger(pulls_until, pushes_until),) if late else ()
    pushes = _due_pushes(
        [push for push in held.pushes if min(push.due_at, pushes_until) <= now], held, holds, now
    )
    pulls = _due_pulls(
        [pull for pull in held.pulls if min(pull.due_at, pulls_until) <= now],
        held.traces,
        several_workers=several_workers,
    )
    return Detected((*pushes.events, *pulls.events), (*shortened, *pushes.changes, *pulls.changes))


def _due_pushes(pushes: list[HeldPush], held: HeldSnapshot, holds: Holds, now: datetime) -> Detected:
    waiting = {push.event.id: until for push in pushes if (until := _still_uploads(push, held, holds, now))}
    return Detected(
        tuple(push.event for push in pushes if push.event.id not in waiting),
        (
            *(DueLater(event_id, until) for event_id, until in waiting.items()),
            *(Released(push.event.id) for push in pushes if push.event.id not in waiting),
        ),
    )


def _still_uploads(push: HeldPush, held: HeldSnapshot, holds: Holds, now: datetime) -> datetime | None:
    """How long a push waits because the other children of its index are still being uploaded."""
    uploaded_at = held.uploaded_at.get(push.event.repository.full_name)
    # A time in the future is from before the clock was set back.
    if uploaded_at and uploaded_at <= now < uploaded_at + holds.push:
        return uploaded_at + holds.push
    return None


_About = tuple[Client, str, str]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """The event of one held pull, if any, and the traces that are left for the next."""

    event: Event | None
    taken: tuple[TraceChanged, ...]
    left: tuple[Trace, ...]


def _due_pulls(pulls: list[HeldPull], traces: tuple[Trace, ...], *, several_workers: bool) -> Detected:
    left: defaultdict[_About, tuple[Trace, ...]] = defaultdict(tuple)
    for trace in traces:
        if trace.client:
            left[trace.client, trace.repository.full_name, trace.digest] += (trace,)
    events: list[Event] = []
    changes: list[Change] = []
    for held in pulls:
        about = (held.client, held.event.repository.full_name, held.event.digest)
        outcome = _outcome(held, left[about], several_workers=several_workers)
        left[about] = outcome.left
        changes += [Released(held.event.id), *outcome.taken]
        if outcome.event:
            events.append(outcome.event)
    return Detected(tuple(events), tuple(changes))


def _outcome(held: HeldPull, traces: tuple[Trace, ...], *, several_workers: bool) -> _Outcome:
    if held.needs_blob and not held.blob_fetched:
        return _Outcome(None, (), traces)
    event, at = held.event, held.event.occurred_at
    taken: tuple[TraceChanged, ...] = ()
    if not event.tag and (resolved := _taken_resolution(event, traces)):
        event = with_tags(event, tag=resolved.before.tag, tags=event.tags)
        taken, traces = (resolved,), _after(traces, resolved)
    if several_workers and not event.tag:
        # Another worker may have recorded the index only after its child was held here.
        child = taken_child(traces, event.digest, at=at, since=at - CHILDREN_KEPT)
        if child:
            return _Outcome(None, (*taken, child), _after(traces, child))
    return _Outcome(event, taken, traces)


def _taken_resolution(event: Event, traces: tuple[Trace, ...]) -> TraceChanged | None:
    """The tag that a client last resolved to the digest that it then fetched: each is followed by one fetch."""
    at = event.occurred_at
    for found in resolutions(traces, event.digest, since=at - RESOLUTION_KEPT, until=at):
        if found.taken_at is None:
            return TraceChanged(found, replace(found, taken_at=found.seen_at))
    return None


def _after(traces: tuple[Trace, ...], changed: TraceChanged) -> tuple[Trace, ...]:
    return tuple(changed.after if trace is changed.before else trace for trace in traces)
