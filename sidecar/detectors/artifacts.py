"""What one exchange with the registry means on its own: pushes, pulls and deletes of artifacts.

One event per manifest request, exactly as Harbor itself would raise them; `grouping` joins the ones that
belong together. Source: Harbor src/server/registry/manifest.go and
src/controller/event/handler/webhook/artifact/artifact.go.
"""

from collections.abc import Mapping
from uuid import uuid5

from sidecar.model.event import Event, EventType
from sidecar.model.exchange import Exchange, Facts, Outcome
from sidecar.model.manifest import Manifest
from sidecar.model.names import Digest, Reference, Repository, fallback_subject
from sidecar.model.operation import DeleteManifest, GetManifest, PutManifest


def artifact_events(exchange: Exchange) -> tuple[Event, ...]:
    """The events of one exchange; none when it failed or was a mere lookup."""
    match exchange.operation:
        case PutManifest() as put if exchange.succeeded:
            return _pushes(exchange, put)
        case GetManifest() as get if exchange.status == 200 and exchange.outcome is Outcome.COMPLETED:
            return (_event(exchange, EventType.IMAGE_PULL, get.repository, get.reference),)
        case DeleteManifest() as delete if exchange.succeeded:
            return (_delete(exchange, delete),)
        case _:
            return ()


def manifest_of(exchange: Exchange) -> Manifest | None:
    """The manifest that an exchange is about, None when it is not known or was not understood."""
    return exchange.manifest or exchange.facts.manifest


def is_attached(manifest: Manifest | None, reference: Reference) -> bool:
    """Whether a manifest is a signature, an attestation or another referrer, not an image."""
    if manifest and manifest.subject:
        return True
    return bool(reference.tag and fallback_subject(reference.tag))


def digest_of(exchange: Exchange, reference: Reference) -> Digest | None:
    """The digest that an exchange is about.

    A digest in the URL counts first, then the registry's header, then the hash of the bytes.
    """
    return reference.digest or exchange.content_digest or exchange.facts.digest


def platforms_of(manifest: Manifest, facts: Facts) -> tuple[str, ...]:
    """Platforms of an index, including nested indexes and look-ups; attestations have none."""
    found: dict[str, None] = {}
    for child in manifest.children:
        if child.is_attestation:
            continue
        if child.platform:
            found[child.platform] = None
            continue
        nested = facts.children.get(child.digest)
        if nested is not None and nested.is_index:
            found |= dict.fromkeys(platforms_of(nested, _without(facts, child.digest)))
        elif platform := facts.platforms.get(child.digest):
            found[platform] = None
    return tuple(found)


def size_of(manifest: Manifest, children: Mapping[Digest, Manifest]) -> int:
    """Image size in bytes as Harbor adds it up: an index is its own bytes and its children's.

    Layers that children share count for each. Source: Harbor src/controller/artifact/manifest/index.go.
    """
    total = manifest.content_bytes
    for descriptor in manifest.children:
        child = children.get(descriptor.digest)
        total += size_of(child, {}) if child else 0
    return total


def _without(facts: Facts, digest: Digest) -> Facts:
    # An index cannot contain itself, because of digests; hostile look-up responses may claim so.
    children = {known: child for known, child in facts.children.items() if known != digest}
    return Facts(children=children, platforms=facts.platforms)


def _pushes(exchange: Exchange, put: PutManifest) -> tuple[Event, ...]:
    # Tags asked for in the query exist only if the registry lists them in OCI-Tag: stock registries
    # ignore the query silently (distribution-spec end-7b).
    if put.reference.digest and exchange.oci_tags:
        return tuple(
            _event(exchange, EventType.IMAGE_PUSH, put.repository, put.reference, tag=tag)
            for tag in dict.fromkeys(exchange.oci_tags)
        )
    return (_event(exchange, EventType.IMAGE_PUSH, put.repository, put.reference),)


def _delete(exchange: Exchange, delete: DeleteManifest) -> Event:
    facts = exchange.facts
    if delete.reference.tag:
        # Only the tag is deleted; the manifest and its other tags stay.
        return _event(exchange, EventType.IMAGE_DELETE, delete.repository, delete.reference)
    first = facts.tags[0] if facts.tags else ""
    return _event(
        exchange, EventType.IMAGE_DELETE, delete.repository, delete.reference, tag=first, tags=facts.tags
    )


def _event(
    exchange: Exchange,
    kind: EventType,
    repository: Repository,
    reference: Reference,
    *,
    tag: str = "",
    tags: tuple[str, ...] = (),
) -> Event:
    manifest = manifest_of(exchange)
    tag = tag or reference.tag or ""
    digest = digest_of(exchange, reference) or ""
    return Event(
        id=uuid5(exchange.id, f"{kind}:{tag or digest}"),
        type=kind,
        occurred_at=exchange.answered_at,
        operator=exchange.client.operator,
        repository=repository,
        digest=digest,
        tag=tag,
        tags=tags or ((tag,) if tag else ()),
        media_type=manifest.media_type if manifest else "",
        platforms=platforms_of(manifest, exchange.facts) if manifest else (),
        size_bytes=size_of(manifest, exchange.facts.children) if manifest else None,
        chart=exchange.facts.chart if manifest is None or manifest.is_chart else None,
        user_agent=exchange.client.user_agent,
        request_id=exchange.request_id,
    )
