"""What is remembered makes an event complete: all its tags, its size, its platforms.

Of tags the upstream's answer stands wherever there was one; memory fills what was not asked or not answered.
"""

from dataclasses import replace

from sidecar.detectors.artifacts import artifact_events, digest_of, manifest_of, size_of
from sidecar.model.event import Event
from sidecar.model.exchange import Exchange
from sidecar.model.memory import Memory
from sidecar.model.names import Digest, Repository
from sidecar.model.operation import DeleteManifest


def enriched_events(exchange: Exchange, memory: Memory) -> tuple[Event, ...]:
    """The events of one exchange, none for a delete of what was not there."""
    delete = exchange.operation
    if isinstance(delete, DeleteManifest):
        exchange = _with_remembered_digest(exchange, delete, memory)
        if not _was_there(exchange, delete, memory):
            return ()
    return tuple(_enriched(event, exchange, memory) for event in artifact_events(exchange))


def with_tags(event: Event, *, tag: str, tags: tuple[str, ...]) -> Event:
    """An event with that tag first among those tags."""
    first = (tag,) if tag else ()
    return replace(event, tag=tag, tags=tuple(dict.fromkeys((*first, *tags))))


def is_size_known(repository: Repository, digest: Digest, memory: Memory, *, levels: int = 3) -> bool:
    """Whether the size of a manifest is remembered, with that of all its children."""
    known = memory.manifest(repository, digest)
    if known is None or levels == 0:
        return False
    return all(is_size_known(repository, child, memory, levels=levels - 1) for child in known.children)


def _with_remembered_digest(exchange: Exchange, delete: DeleteManifest, memory: Memory) -> Exchange:
    tag = delete.reference.tag
    if not tag or digest_of(exchange, delete.reference):
        return exchange
    return replace(exchange, content_digest=memory.named_by(delete.repository, tag))


def _was_there(exchange: Exchange, delete: DeleteManifest, memory: Memory) -> bool:
    """Some registries answer 202 to the delete of what is not there; others hide from who may not pull."""
    if exchange.facts.existed is not False:
        return True
    reference = delete.reference
    if reference.tag:
        return memory.named_by(delete.repository, reference.tag) is not None
    assert reference.digest is not None
    known = memory.manifest(delete.repository, reference.digest)
    return bool(known or memory.tags_of(delete.repository, reference.digest))


def _enriched(event: Event, exchange: Exchange, memory: Memory) -> Event:
    event = replace(
        event,
        size_bytes=_size(event, exchange, memory),
        platforms=_platforms(event, exchange, memory),
    )
    tags = memory.tags_of(event.repository, event.digest)
    if not isinstance(exchange.operation, DeleteManifest):
        return with_tags(event, tag=event.tag, tags=tags)
    if exchange.operation.reference.tag:
        return event  # only this tag went
    gone = tuple(tag for tag in tags if tag not in exchange.facts.other_tags)
    gone = tuple(dict.fromkeys((*gone, *exchange.facts.tags)))
    return replace(event, tag=gone[0] if gone else "", tags=gone)


def _platforms(event: Event, exchange: Exchange, memory: Memory) -> tuple[str, ...]:
    """Platforms of an index; those of a nested index may have been learnt when it was pushed."""
    manifest = manifest_of(exchange)
    nested = (c.digest for c in manifest.children if not c.platform) if manifest else ()
    known = (memory.manifest(event.repository, digest) for digest in nested)
    more = (platform for child in known if child for platform in child.platforms)
    return tuple(dict.fromkeys((*event.platforms, *more)))


def _size(event: Event, exchange: Exchange, memory: Memory) -> int | None:
    manifest = manifest_of(exchange)
    if manifest is None:
        return _known_size(event.repository, Digest(event.digest), memory, levels=3)
    if not manifest.children:
        return event.size_bytes
    total = manifest.content_bytes
    for child in manifest.children:
        found = exchange.facts.children.get(child.digest)
        known = size_of(found, exchange.facts.children) if found else None
        total += known or _known_size(event.repository, child.digest, memory, levels=2) or 0
    return total


def _known_size(repository: Repository, digest: Digest, memory: Memory, *, levels: int) -> int | None:
    known = memory.manifest(repository, digest)
    if known is None or levels == 0:
        return None
    children = (_known_size(repository, child, memory, levels=levels - 1) for child in known.children)
    return known.content_bytes + sum(size or 0 for size in children)
