"""One event for one action.

Clients need many requests for one action: children before an index, a GET before a delete, a HEAD
that resolves the tag and a GET of the digest. This module decides, using the memory, which
events are raised now, which are held for a while, and which are dropped. A push by tag and a
delete never wait; a push by digest and a pull may. Sequences of real clients: docs/events.md.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import uuid5

from sidecar.detectors.artifacts import digest_of, is_attached, manifest_of
from sidecar.detectors.asking import ASKED_AGAIN, RESOLUTION_KEPT, asked_before, times_asked
from sidecar.detectors.enriching import enriched_events, with_tags
from sidecar.detectors.learning import learnt
from sidecar.detectors.preparing import layers_fingerprint, preparing_pulls, subjects_of
from sidecar.detectors.traces import fetched_child, is_traced, resolved_tag, taken_child, traced
from sidecar.model.changes import (
    AskedAgain,
    Change,
    Changes,
    Detected,
    PullHeld,
    PushHeld,
    Released,
    TraceLeft,
)
from sidecar.model.defaults import PULL_HOLD_S, PUSH_HOLD_S
from sidecar.model.event import Event
from sidecar.model.exchange import Exchange
from sidecar.model.manifest import Manifest
from sidecar.model.memory import HeldPull, HeldPush, Snapshot, Trace, TraceKind
from sidecar.model.names import Digest, fallback_subject
from sidecar.model.operation import DeleteManifest, GetManifest, HeadManifest, PutManifest

#: The layers of one child may take minutes before the next is fetched.
CHILDREN_KEPT = timedelta(minutes=5)
#: helm, oras and BuildKit read back at once what they pushed.
READ_BACK = timedelta(seconds=5)
#: A config is remembered for longer than the pull of its manifest is held; then it is noted again.
CONFIG_KNOWN = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holds:
    """How long an event may wait for the action that it belongs to."""

    pull: timedelta = timedelta(seconds=PULL_HOLD_S)
    push: timedelta = timedelta(seconds=PUSH_HOLD_S)


def exact(exchange: Exchange, snapshot: Snapshot, *, now: datetime) -> Detected:
    """The events that Harbor itself would raise, one for each manifest request."""
    return Detected(enriched_events(exchange, snapshot), learnt(exchange, snapshot, now=now))


def group(exchange: Exchange, snapshot: Snapshot, holds: Holds, *, now: datetime) -> Detected:
    """The events to raise now; those that are held are among the changes."""
    grouped = _grouped(exchange, enriched_events(exchange, snapshot), snapshot, holds)
    return Detected(grouped.events, (*grouped.changes, *learnt(exchange, snapshot, now=now)))


def _grouped(exchange: Exchange, events: tuple[Event, ...], snapshot: Snapshot, holds: Holds) -> Detected:
    match exchange.operation:
        case PutManifest() as put if exchange.succeeded:
            return _group_push(exchange, put, events, snapshot, holds)
        case GetManifest() as get if events:
            return Detected(changes=_group_pull(exchange, get, events[0], snapshot, holds))
        case DeleteManifest() as delete:
            return _group_delete(exchange, delete, events, snapshot)
        case HeadManifest() as head if exchange.status == 200 and head.reference.tag:
            return Detected(changes=_resolution(exchange, head))
        case _:
            return Detected()


# Pushes


def _group_push(
    exchange: Exchange, put: PutManifest, events: tuple[Event, ...], snapshot: Snapshot, holds: Holds
) -> Detected:
    manifest = manifest_of(exchange)
    digest = digest_of(exchange, put.reference)
    part = _part_of_push(exchange, put, digest, manifest, snapshot) if digest else ()
    if is_attached(manifest, put.reference):
        return Detected(changes=part)
    if put.reference.tag or exchange.oci_tags:
        return Detected(events, part)
    due_at = exchange.answered_at + holds.push
    held = (PushHeld(HeldPush(event=event, due_at=due_at)) for event in events)
    return Detected(changes=(*part, *held))


def _part_of_push(
    exchange: Exchange, put: PutManifest, digest: Digest, manifest: Manifest | None, snapshot: Snapshot
) -> tuple[Released, ...]:
    """Held events that turn out to be part of this push."""
    below = descendants(manifest, snapshot) if manifest else ()
    whole = {digest, *below}
    pushes = (Released(event_id) for event_id, pushed in snapshot.held_pushes.items() if pushed in whole)
    named = (*whole, *subjects_of(manifest, put.reference))
    return (*pushes, *preparing_pulls(exchange.client, manifest, named, snapshot))


def descendants(manifest: Manifest, snapshot: Snapshot, *, levels: int = 3) -> tuple[Digest, ...]:
    """The digests that an index names, and those below them as far as known."""
    found = [child.digest for child in manifest.children]
    level = found
    for _ in range(levels - 1):
        known = (snapshot.manifest(digest) for digest in level)
        level = [child for manifest_known in known if manifest_known for child in manifest_known.children]
        found = [*found, *level]
    return tuple(dict.fromkeys(found))


# Pulls


def _group_pull(
    exchange: Exchange, get: GetManifest, event: Event, snapshot: Snapshot, holds: Holds
) -> Changes:
    manifest = manifest_of(exchange)
    seen = _contents_seen(exchange, get, manifest, snapshot)
    taken = _taken_as_child(exchange, get, event, snapshot)
    if taken:
        return (taken, *seen)
    if is_attached(manifest, get.reference):
        return seen
    if held := asked_before(exchange.client, event, snapshot):
        return (*seen, AskedAgain(held.event.id))
    pull = HeldPull(
        event=event,
        client=exchange.client,
        due_at=exchange.answered_at + holds.pull,
        needs_blob=bool(get.reference.digest) and _reads_back(event, snapshot, exchange.answered_at),
        layers=layers_fingerprint(manifest),
    )
    return (*seen, PullHeld(pull))


def _taken_as_child(exchange: Exchange, get: GetManifest, event: Event, snapshot: Snapshot) -> Change | None:
    """The trace of the index that this pull by digest is part of."""
    if not get.reference.digest:
        return None
    at = exchange.answered_at
    again_since = at - ASKED_AGAIN if times_asked(exchange.client) > 1 else None
    since = at - CHILDREN_KEPT
    return taken_child(snapshot.traces, event.digest, at=at, since=since, again_since=again_since)


def _contents_seen(
    exchange: Exchange, get: GetManifest, manifest: Manifest | None, snapshot: Snapshot
) -> Changes:
    """The digests that may be fetched next as part of the same pull."""
    client, repository, at = exchange.client, get.repository, exchange.answered_at
    if manifest is None:
        return ()
    since = at - CHILDREN_KEPT
    children = dict.fromkeys(child.digest for child in manifest.children)
    found = [
        fetched_child(snapshot.traces, client, repository, child, at=at, since=since) for child in children
    ]
    if manifest.config and not _is_known_config(snapshot.traces, manifest.config.digest, at):
        config = traced(snapshot.traces, TraceKind.CONFIG, None, repository, manifest.config.digest, at=at)
        found.append(config)
    return tuple(found)


def _is_known_config(traces: tuple[Trace, ...], digest: Digest, at: datetime) -> bool:
    return any(
        found.kind is TraceKind.CONFIG
        and found.digest == digest
        and found.seen_at <= at < found.seen_at + CONFIG_KNOWN
        for found in traces
    )


def _reads_back(event: Event, snapshot: Snapshot, at: datetime) -> bool:
    """Whether a client may only be reading back what it has just pushed.

    A client that resolved the tag in between pulls, even if it has every blob (docker then fetches none).
    """
    since = at - READ_BACK
    return is_traced(snapshot.traces, TraceKind.PUSHED, event.digest, since) and not resolved_tag(
        snapshot.traces, event.digest, since=since, until=at
    )


# Deletes


def _group_delete(
    exchange: Exchange, delete: DeleteManifest, events: tuple[Event, ...], snapshot: Snapshot
) -> Detected:
    prepared = tuple(held for held in _held_of(exchange, delete, snapshot) if not held.blob_fetched)
    released = tuple(Released(held.event.id) for held in prepared)
    if delete.reference.tag:
        # The deleted tag is the one that was named.
        is_none = is_attached(manifest_of(exchange), delete.reference)
        return Detected(() if is_none else events, released)
    meant = _tag_meant(exchange, delete, prepared, snapshot)
    images = (event for event in events if not _was_attached(exchange, event, snapshot))
    return Detected(
        tuple(
            with_tags(event, tag=meant if meant in event.tags else event.tag, tags=event.tags)
            for event in images
        ),
        released,
    )


def _held_of(exchange: Exchange, delete: DeleteManifest, snapshot: Snapshot) -> tuple[HeldPull, ...]:
    """The client's held pulls of the deleted manifest, which may only have prepared this delete."""
    digest = digest_of(exchange, delete.reference)
    return tuple(held for held in snapshot.held_pulls if held.event.digest == digest)


def _was_attached(exchange: Exchange, event: Event, snapshot: Snapshot) -> bool:
    """Whether the deleted manifest was no image: by its content, else by its tags, else by memory."""
    manifest = manifest_of(exchange)
    if manifest and manifest.subject:
        return True
    if event.tags:
        return all(fallback_subject(tag) for tag in event.tags)
    known = snapshot.manifest(event.digest)
    return bool(known and known.is_attached)


def _tag_meant(
    exchange: Exchange, delete: DeleteManifest, prepared: tuple[HeldPull, ...], snapshot: Snapshot
) -> str:
    """The tag of the pulls that prepared a delete, or that the client resolved for it, or ""."""
    digest, at = digest_of(exchange, delete.reference), exchange.answered_at
    named = [held.event.tag for held in prepared if held.event.tag]
    if named or not digest:
        return named[-1] if named else ""
    return resolved_tag(snapshot.traces, digest, since=at - RESOLUTION_KEPT, until=at)


def _resolution(exchange: Exchange, head: HeadManifest) -> Changes:
    digest, tag = digest_of(exchange, head.reference), head.reference.tag
    if not digest or not tag:
        return ()
    trace = Trace(
        kind=TraceKind.RESOLVED,
        client=exchange.client,
        repository=head.repository,
        digest=digest,
        tag=tag,
        seen_at=exchange.answered_at,
    )
    return (TraceLeft(trace),)


# Charts stored as OCI artifacts


def with_chart_events(event: Event, *, wanted: bool) -> tuple[Event, ...]:
    """An image event, followed by its chart event if the project is configured for it."""
    kind = event.type.about.as_oci_chart
    if not wanted or event.chart is None or kind is None:
        return (event,)
    version = event.chart.version
    return event, replace(event, id=uuid5(event.id, kind), type=kind, tag=version, tags=(version,))
