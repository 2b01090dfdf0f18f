"""One event for one thing done.

Clients need many requests for one action: children before an index, a GET before a delete, a HEAD
that resolves the tag and a GET of the digest. This module decides, with what is remembered, which
event is raised now, which is held for a while and which is none. DESIGN decision: a push by tag and a
delete never wait; a push by digest and a pull may. Sequences of real clients: docs/events.md.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import uuid5

from sidecar.detectors.artifacts import digest_of, is_attached, manifest_of, platforms_of
from sidecar.detectors.asking import ASKED_AGAIN, RESOLUTION_KEPT, asked_before, times_asked
from sidecar.detectors.enriching import enriched_events, with_tags
from sidecar.detectors.preparing import drop_preparing_pulls, layers_mark, subjects_of
from sidecar.model.event import Event
from sidecar.model.exchange import Client, Exchange
from sidecar.model.manifest import Manifest
from sidecar.model.memory import HeldPull, HeldPush, KnownManifest, Memory
from sidecar.model.names import Digest, Reference, Repository, fallback_subject
from sidecar.model.operation import DeleteManifest, GetManifest, HeadManifest, PutManifest

#: Between two children of one pull there may be minutes of layers.
CHILDREN_KEPT = timedelta(minutes=5)
#: helm, oras and BuildKit read back what they pushed at once.
READ_BACK = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holds:
    """How long an event may wait for what it belongs to."""

    pull: timedelta = timedelta(seconds=3)
    push: timedelta = timedelta(seconds=30)


def exact(exchange: Exchange, memory: Memory) -> tuple[Event, ...]:
    """What Harbor itself would raise, one event for one manifest request."""
    events = enriched_events(exchange, memory)
    _learn(exchange, memory)
    return events


def group(exchange: Exchange, memory: Memory, holds: Holds) -> tuple[Event, ...]:
    """The events to raise now; what has to wait is left in memory."""
    events = enriched_events(exchange, memory)
    raised = _grouped(exchange, events, memory, holds)
    _learn(exchange, memory)
    return raised


def _grouped(
    exchange: Exchange, events: tuple[Event, ...], memory: Memory, holds: Holds
) -> tuple[Event, ...]:
    match exchange.operation:
        case PutManifest() as put if exchange.succeeded:
            return _group_push(exchange, put, events, memory, holds)
        case GetManifest() as get if events:
            _group_pull(exchange, get, events[0], memory, holds)
            return ()
        case DeleteManifest() as delete:
            return _group_delete(exchange, delete, events, memory)
        case HeadManifest() as head if exchange.status == 200 and head.reference.tag:
            _remember_resolution(exchange, head, memory)
            return ()
        case _:
            return ()


def ripe(memory: Memory, holds: Holds, now: datetime, *, several_workers: bool = False) -> tuple[Event, ...]:
    """Held events whose time has come; what turned out to be none is dropped.

    several_workers   exchanges were recorded by several processes: one may have come before an earlier one
    """
    # None is held longer than from now on, unless the clock was set back meanwhile.
    memory.hold_no_longer(pulls_until=now + holds.pull, pushes_until=now + holds.push)
    return (*_ripe_pushes(memory, holds, now), *_ripe_pulls(memory, now, several_workers=several_workers))


# Pushes


def _group_push(
    exchange: Exchange, put: PutManifest, events: tuple[Event, ...], memory: Memory, holds: Holds
) -> tuple[Event, ...]:
    manifest = manifest_of(exchange)
    digest = digest_of(exchange, put.reference)
    if digest:
        children = _descendants(put.repository, manifest, memory) if manifest else ()
        memory.drop_held_pushes(put.repository, (digest, *children))
        named = (digest, *children, *subjects_of(manifest, put.reference))
        drop_preparing_pulls(exchange.client, put.repository, manifest, named, memory)
    if is_attached(manifest, put.reference):
        return ()
    if put.reference.tag or exchange.oci_tags:
        return events
    for event in events:
        memory.hold_push(HeldPush(event=event, due_at=exchange.answered_at + holds.push))
    return ()


def _descendants(
    repository: Repository, manifest: Manifest, memory: Memory, *, levels: int = 3
) -> tuple[Digest, ...]:
    found = [child.digest for child in manifest.children]
    level = found
    for _ in range(levels - 1):
        known = (memory.manifest(repository, digest) for digest in level)
        level = [child for manifest_known in known if manifest_known for child in manifest_known.children]
        found += level
    return tuple(dict.fromkeys(found))


def _ripe_pushes(memory: Memory, holds: Holds, now: datetime) -> tuple[Event, ...]:
    events = []
    for held in memory.due_pushes(now):
        uploaded_at = memory.last_upload(held.event.repository)
        # Not in the future: that was before the clock was set back.
        if uploaded_at and uploaded_at <= now < uploaded_at + holds.push:
            # The other children of its index are still being uploaded.
            memory.extend_push(held.event.id, uploaded_at + holds.push)
            continue
        memory.release(held.event.id)
        events.append(held.event)
    return tuple(events)


# Pulls


def _group_pull(exchange: Exchange, get: GetManifest, event: Event, memory: Memory, holds: Holds) -> None:
    client, repository, at = exchange.client, get.repository, exchange.answered_at
    manifest = manifest_of(exchange)
    digest = Digest(event.digest)
    since = at - CHILDREN_KEPT
    again_since = at - ASKED_AGAIN if times_asked(client) > 1 else None
    is_child = bool(get.reference.digest) and memory.take_pulled_child(
        client, repository, digest, at=at, since=since, again_since=again_since
    )
    if manifest and manifest.children:
        children = tuple(child.digest for child in manifest.children)
        memory.learn_pulled_children(client, repository, children, at=at, since=since)
    if manifest and manifest.config:
        memory.learn_config(repository, manifest.config.digest, at=at)
    if is_child or is_attached(manifest, get.reference):
        return
    if held := asked_before(client, repository, event, memory):
        memory.note_asked_again(held.event.id)
        return
    read_back = bool(get.reference.digest) and _reads_back(client, repository, digest, memory, at)
    memory.hold_pull(
        HeldPull(
            event=event,
            client=client,
            due_at=at + holds.pull,
            needs_blob=read_back,
            layers=layers_mark(manifest),
        )
    )


def _reads_back(client: Client, repository: Repository, digest: Digest, memory: Memory, at: datetime) -> bool:
    """Whether a client may only be looking at what it has just pushed.

    One that asked for the tag in between pulls, even if it has every blob (docker then fetches none).
    """
    since = at - READ_BACK
    return memory.pushed_since(client, repository, digest, since) and not memory.resolved_tag(
        client, repository, digest, since=since, until=at
    )


def _ripe_pulls(memory: Memory, now: datetime, *, several_workers: bool) -> tuple[Event, ...]:
    events = []
    for held in memory.due_pulls(now):
        memory.release(held.event.id)
        if held.needs_blob and not held.blob_fetched:
            continue
        event = _with_tag_meant(held.event, held.client, memory)
        if not (several_workers and not event.tag and _is_late_child(held, memory)):
            events.append(event)
    return tuple(events)


def _is_late_child(held: HeldPull, memory: Memory) -> bool:
    """Whether another worker recorded the index only after its child was held here."""
    event, at = held.event, held.event.occurred_at
    return memory.take_pulled_child(
        held.client, event.repository, Digest(event.digest), at=at, since=at - CHILDREN_KEPT
    )


def _with_tag_meant(event: Event, client: Client, memory: Memory) -> Event:
    if event.tag:
        return event
    at = event.occurred_at
    since = at - RESOLUTION_KEPT
    tag = memory.take_resolved_tag(client, event.repository, event.digest, since=since, until=at)
    return with_tags(event, tag=tag, tags=event.tags)


# Deletes


def _group_delete(
    exchange: Exchange, delete: DeleteManifest, events: tuple[Event, ...], memory: Memory
) -> tuple[Event, ...]:
    digest = digest_of(exchange, delete.reference)
    meant = _dropped_preparation(exchange, delete, digest, memory) if digest else ""
    if delete.reference.tag:
        # The tag that is deleted is the one that was meant.
        return () if is_attached(manifest_of(exchange), delete.reference) else events
    return tuple(
        with_tags(event, tag=meant if meant in event.tags else event.tag, tags=event.tags)
        for event in events
        if not _was_attached(exchange, event, memory)
    )


def _was_attached(exchange: Exchange, event: Event, memory: Memory) -> bool:
    """Whether what went was no image: by its own word, else by the tags that it had, else by memory."""
    manifest = manifest_of(exchange)
    if manifest and manifest.subject:
        return True
    if event.tags:
        return all(fallback_subject(tag) for tag in event.tags)
    known = memory.manifest(event.repository, Digest(event.digest))
    return bool(known and known.is_attached)


def _dropped_preparation(exchange: Exchange, delete: DeleteManifest, digest: Digest, memory: Memory) -> str:
    """Drop the pulls that only prepared this delete; answers the tag that they named, or ""."""
    client, repository, at = exchange.client, delete.repository, exchange.answered_at
    meant = ""
    for held in memory.held_pulls(client, repository, digest):
        if not held.blob_fetched:
            memory.release(held.event.id)
            meant = held.event.tag or meant
    return meant or memory.resolved_tag(client, repository, digest, since=at - RESOLUTION_KEPT, until=at)


# What every mode remembers


def _learn(exchange: Exchange, memory: Memory) -> None:
    match exchange.operation:
        case PutManifest(repository, reference) if exchange.succeeded:
            _learn_manifest(exchange, repository, reference, memory)
            if digest := digest_of(exchange, reference):
                memory.learn_push(exchange.client, repository, digest, at=exchange.answered_at)
        case GetManifest(repository, reference) | HeadManifest(repository, reference) if (
            exchange.status == 200
        ):
            _learn_manifest(exchange, repository, reference, memory)
        case DeleteManifest(repository, reference) if exchange.succeeded:
            if reference.tag:
                memory.forget_tag(repository, reference.tag)
            elif reference.digest:
                memory.forget_digest(repository, reference.digest)
        case _:
            return


def _learn_manifest(exchange: Exchange, repository: Repository, reference: Reference, memory: Memory) -> None:
    digest, at = digest_of(exchange, reference), exchange.answered_at
    if digest is None:
        return
    if not exchange.depends_on_accept:
        pushed = isinstance(exchange.operation, PutManifest)
        for tag in (reference.tag, *exchange.oci_tags):
            if tag:
                memory.learn_tag(repository, tag, digest, at=at, pushed=pushed)
    if manifest := manifest_of(exchange):
        known = KnownManifest(
            media_type=manifest.media_type,
            content_bytes=manifest.content_bytes,
            children=tuple(child.digest for child in manifest.children),
            platforms=platforms_of(manifest, exchange.facts),
            is_attached=_is_known_attached(manifest, reference, memory.manifest(repository, digest)),
        )
        memory.learn_manifest(repository, digest, known, at=at)


def _is_known_attached(manifest: Manifest, reference: Reference, before: KnownManifest | None) -> bool:
    """Whether all that is known of a manifest says that it is no image: an ordinary tag makes it one."""
    if manifest.subject:
        return True
    if reference.digest:
        return bool(before and before.is_attached)
    return is_attached(manifest, reference) and (before is None or before.is_attached)


def _remember_resolution(exchange: Exchange, head: HeadManifest, memory: Memory) -> None:
    digest = digest_of(exchange, head.reference)
    if digest and head.reference.tag:
        memory.learn_resolution(
            exchange.client, head.repository, head.reference.tag, digest, at=exchange.answered_at
        )


# Charts kept as OCI artifacts


def with_chart_events(event: Event, *, wanted: bool) -> tuple[Event, ...]:
    """An image event, followed by the chart event that it also is where the project asks for it."""
    kind = event.type.about.as_oci_chart
    if not wanted or event.chart is None or kind is None:
        return (event,)
    version = event.chart.version
    return event, replace(event, id=uuid5(event.id, kind), type=kind, tag=version, tags=(version,))
