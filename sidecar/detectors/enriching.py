"""Completes events from memory: all tags, size, platforms.

The upstream's answer about a tag is authoritative; memory supplies the others.
"""

from dataclasses import replace

from sidecar.detectors.artifacts import artifact_events, digest_of, manifest_of, size_of
from sidecar.model.event import Event
from sidecar.model.exchange import Exchange
from sidecar.model.memory import Recalled, Snapshot
from sidecar.model.operation import DeleteManifest


def enriched_events(exchange: Exchange, snapshot: Snapshot) -> tuple[Event, ...]:
    """The events of one exchange, none for a delete of something that was not there."""
    delete = exchange.operation
    if isinstance(delete, DeleteManifest):
        exchange = _with_remembered_digest(exchange, delete, snapshot)
        if not _was_there(exchange, delete, snapshot):
            return ()
    return tuple(_enriched(event, exchange, snapshot) for event in artifact_events(exchange))


def with_tags(event: Event, *, tag: str, tags: tuple[str, ...]) -> Event:
    """An event with these tags, that tag first."""
    return replace(event, tag=tag, tags=_first_of(tag, tags))


def _first_of(tag: str, tags: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((tag, *tags) if tag else tags))


def is_size_known(digest: str, snapshot: Snapshot, *, levels: int = 3) -> bool:
    """Whether the size of a manifest is remembered, with that of all its children."""
    known = snapshot.manifest(digest)
    if known is None or levels == 0:
        return False
    return all(is_size_known(child, snapshot, levels=levels - 1) for child in known.children)


def recalled(digest: str, snapshot: Snapshot) -> Recalled:
    """What is remembered of a manifest that is to be deleted."""
    return Recalled(tags=snapshot.tags, is_whole=is_size_known(digest, snapshot))


def _with_remembered_digest(exchange: Exchange, delete: DeleteManifest, snapshot: Snapshot) -> Exchange:
    tag = delete.reference.tag
    if not tag or digest_of(exchange, delete.reference):
        return exchange
    return replace(exchange, content_digest=snapshot.named_by(tag))


def _was_there(exchange: Exchange, delete: DeleteManifest, snapshot: Snapshot) -> bool:
    """Some registries answer 202 to the delete of a missing manifest; others hide it from clients that may not pull."""
    if exchange.facts.existed is not False:
        return True
    reference = delete.reference
    if reference.tag:
        return snapshot.named_by(reference.tag) is not None
    assert reference.digest is not None
    return bool(snapshot.manifest(reference.digest) or snapshot.tags)


def _enriched(event: Event, exchange: Exchange, snapshot: Snapshot) -> Event:
    tag, tags = _tags(event, exchange, snapshot)
    return replace(
        event,
        tag=tag,
        tags=tags,
        size_bytes=_size(event, exchange, snapshot),
        platforms=_platforms(event, exchange, snapshot),
    )


def _tags(event: Event, exchange: Exchange, snapshot: Snapshot) -> tuple[str, tuple[str, ...]]:
    """The tag that was named, and all of them, that one first."""
    if not isinstance(exchange.operation, DeleteManifest):
        return event.tag, _first_of(event.tag, snapshot.tags)
    if exchange.operation.reference.tag:
        return event.tag, event.tags  # only this tag was deleted
    gone = tuple(tag for tag in snapshot.tags if tag not in exchange.facts.other_tags)
    gone = tuple(dict.fromkeys((*gone, *exchange.facts.tags)))
    return gone[0] if gone else "", gone


def _platforms(event: Event, exchange: Exchange, snapshot: Snapshot) -> tuple[str, ...]:
    """Platforms of an index; those of a nested index may be known from its push."""
    manifest = manifest_of(exchange)
    nested = (c.digest for c in manifest.children if not c.platform) if manifest else ()
    known = (snapshot.manifest(digest) for digest in nested)
    more = (platform for child in known if child for platform in child.platforms)
    return tuple(dict.fromkeys((*event.platforms, *more)))


def _size(event: Event, exchange: Exchange, snapshot: Snapshot) -> int | None:
    manifest = manifest_of(exchange)
    if manifest is None:
        return _known_size(event.digest, snapshot, levels=3)
    if not manifest.children:
        return event.size_bytes
    total = manifest.content_bytes
    for child in manifest.children:
        found = exchange.facts.children.get(child.digest)
        known = size_of(found, exchange.facts.children) if found else None
        total += known or _known_size(child.digest, snapshot, levels=2) or 0
    return total


def _known_size(digest: str, snapshot: Snapshot, *, levels: int) -> int | None:
    known = snapshot.manifest(digest)
    if known is None or levels == 0:
        return None
    children = (_known_size(child, snapshot, levels=levels - 1) for child in known.children)
    return known.content_bytes + sum(size or 0 for size in children)
