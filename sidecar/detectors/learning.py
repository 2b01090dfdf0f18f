"""What every mode remembers of an exchange: what tags name, which manifests there are, who pushed them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sidecar.detectors.artifacts import digest_of, is_attached, manifest_of, platforms_of
from sidecar.detectors.traces import traced
from sidecar.model.changes import (
    Change,
    Changes,
    DigestForgotten,
    ManifestLearnt,
    TagForgotten,
    TagLearnt,
)
from sidecar.model.exchange import Exchange
from sidecar.model.manifest import Manifest
from sidecar.model.memory import KnownManifest, SeenManifest, SeenTag, Snapshot, TraceKind
from sidecar.model.names import Digest, Reference, Repository
from sidecar.model.operation import DeleteManifest, GetManifest, HeadManifest, PutManifest

#: Unchanged knowledge is not written again within this time.
_TAG_READ_AGAIN: Final = timedelta(seconds=1)
_MANIFEST_SEEN_AGAIN: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class _Sight:
    """What an exchange shows about one manifest."""

    exchange: Exchange
    repository: Repository
    reference: Reference
    digest: Digest

    @property
    def at(self) -> datetime:
        return self.exchange.answered_at

    @property
    def is_push(self) -> bool:
        return isinstance(self.exchange.operation, PutManifest)


def learnt(exchange: Exchange, snapshot: Snapshot, *, now: datetime) -> Changes:
    """What is remembered of an exchange; times after `now` are from before the clock was set back."""
    match exchange.operation:
        case PutManifest(repository, reference) if exchange.succeeded:
            return _seen(exchange, repository, reference, snapshot, now=now)
        case GetManifest(repository, reference) | HeadManifest(repository, reference) if (
            exchange.status == 200
        ):
            return _seen(exchange, repository, reference, snapshot, now=now)
        case DeleteManifest(repository, reference) if exchange.succeeded:
            if reference.tag:
                return (TagForgotten(repository, reference.tag),)
            return (DigestForgotten(repository, reference.digest),) if reference.digest else ()
        case _:
            return ()


def _seen(
    exchange: Exchange, repository: Repository, reference: Reference, snapshot: Snapshot, *, now: datetime
) -> Changes:
    digest = digest_of(exchange, reference)
    if digest is None:
        return ()
    sight = _Sight(exchange, repository, reference, digest)
    found: list[Change | None] = []
    if not exchange.depends_on_accept:
        names = dict.fromkeys(filter(None, (reference.tag, *exchange.oci_tags)))
        found += (_tag(sight, tag, snapshot.named.get(tag), now=now) for tag in names)
    if manifest := manifest_of(exchange):
        found.append(_manifest(sight, manifest, snapshot.manifests.get(digest)))
    if sight.is_push:
        client, at = exchange.client, sight.at
        found.append(traced(snapshot.traces, TraceKind.PUSHED, client, repository, digest, at=at))
    return tuple(filter(None, found))


def _tag(sight: _Sight, tag: str, before: SeenTag | None, *, now: datetime) -> TagLearnt | None:
    """What a tag names; None when that was seen later, or recently."""
    at, digest = sight.at, sight.digest
    if before is None:
        moved_at = at if sight.is_push else None
        return TagLearnt(sight.repository, tag, SeenTag(digest=digest, seen_at=at, moved_at=moved_at))
    if at < before.seen_at <= now:
        return None
    is_same = before.digest == digest
    if is_same and not sight.is_push and before.seen_at <= at < before.seen_at + _TAG_READ_AGAIN:
        return None
    # A read shows that a tag was moved only if it was known to name something else before.
    moved_at = before.moved_at if is_same else at
    return TagLearnt(sight.repository, tag, SeenTag(digest=digest, seen_at=at, moved_at=moved_at))


def _manifest(sight: _Sight, manifest: Manifest, before: SeenManifest | None) -> ManifestLearnt | None:
    """A manifest as it is known now; None when the same was noted recently."""
    at = sight.at
    known = KnownManifest(
        media_type=manifest.media_type,
        content_bytes=manifest.content_bytes,
        children=tuple(child.digest for child in manifest.children),
        platforms=platforms_of(manifest, sight.exchange.facts),
        is_attached=_is_known_attached(manifest, sight.reference, before.known if before else None),
    )
    if before and before.known == known and before.seen_at <= at < before.seen_at + _MANIFEST_SEEN_AGAIN:
        return None
    return ManifestLearnt(sight.repository, sight.digest, known, at)


def _is_known_attached(manifest: Manifest, reference: Reference, before: KnownManifest | None) -> bool:
    """Whether everything known about a manifest says that it is no image; an ordinary tag makes it one."""
    if manifest.subject:
        return True
    if reference.digest:
        return bool(before and before.is_attached)
    return is_attached(manifest, reference) and (before is None or before.is_attached)
