"""Which part of the memory an exchange needs: the scope of the snapshot that detectors are given."""

from collections.abc import Iterable

from sidecar.detectors.artifacts import digest_of, manifest_of
from sidecar.detectors.charts import chart_events
from sidecar.detectors.refused_pushes import subject_of
from sidecar.detectors.rejections import rejection_event
from sidecar.model.exchange import Exchange, Intent, Remembered
from sidecar.model.memory import Scope, Snapshot, TraceKind
from sidecar.model.names import Reference, Repository
from sidecar.model.operation import (
    DeleteChart,
    DeleteManifest,
    DownloadChart,
    GetManifest,
    HeadManifest,
    PutManifest,
    Routes,
    UploadChart,
)
from sidecar.quota.rules import Rejection


def scope_of(
    exchange: Exchange, *, grouped: bool, routes: Routes, rejection: Rejection | None = None
) -> Scope | None:
    """The part of the memory that `detect` needs; None for nothing."""
    if rejection:
        return _of_rejection(exchange, rejection, grouped=grouped, routes=routes)
    match exchange.operation:
        case PutManifest(repository, reference) if exchange.succeeded:
            return _of_push(exchange, repository, reference, grouped=grouped)
        case GetManifest(repository, reference) if exchange.status == 200:
            return _of_pull(exchange, repository, reference, grouped=grouped)
        case HeadManifest(repository, reference) if exchange.status == 200:
            digest = digest_of(exchange, reference)
            digests = (digest,) if digest and manifest_of(exchange) else ()
            return Scope(
                repository=repository,
                client=exchange.client,
                tags=_tags(reference),
                digests=digests,
            )
        case DeleteManifest(repository, reference) if exchange.succeeded or grouped:
            return _of_delete(exchange, repository, reference)
        case UploadChart() | DownloadChart() | DeleteChart():
            events = chart_events(exchange, routes)
            return Scope(repository=events[0].repository, is_dated=True) if events else None
        case _:
            return None


def _of_rejection(exchange: Exchange, rejection: Rejection, *, grouped: bool, routes: Routes) -> Scope:
    event = rejection_event(exchange, rejection, routes)
    where = subject_of(exchange, event, routes)[0] if grouped else None
    return Scope(repository=event.repository, client=exchange.client, is_dated=True, refused_in=where)


def _of_push(exchange: Exchange, repository: Repository, reference: Reference, *, grouped: bool) -> Scope:
    manifest, digest = manifest_of(exchange), digest_of(exchange, reference)
    children = [child.digest for child in manifest.children] if manifest else []
    return Scope(
        repository=repository,
        client=exchange.client,
        tags=(*_tags(reference), *exchange.oci_tags),
        digests=_unique((digest, *children)),
        deep=manifest is None or bool(children),
        tags_of=digest or "",
        traces=((TraceKind.PUSHED, digest),) if digest else (),
        all_pulls=grouped,
        manifests_of_pulls=grouped and bool(children),
        pushes=grouped,
        is_dated=True,
    )


def _of_pull(exchange: Exchange, repository: Repository, reference: Reference, *, grouped: bool) -> Scope:
    manifest, digest = manifest_of(exchange), digest_of(exchange, reference)
    children = [child.digest for child in manifest.children] if manifest else []
    traces: list[tuple[TraceKind, str]] = []
    if grouped:
        traces += ((TraceKind.CHILD, child) for child in children)
        if manifest and manifest.config:
            traces.append((TraceKind.CONFIG, manifest.config.digest))
        if digest:
            traces.append((TraceKind.RESOLVED, digest))
        if digest and reference.digest:
            traces += ((TraceKind.CHILD, digest), (TraceKind.PUSHED, digest))
    return Scope(
        repository=repository,
        client=exchange.client,
        tags=_tags(reference),
        digests=_unique((digest, *children)),
        deep=manifest is None or bool(children),
        tags_of=digest or "",
        traces=tuple(dict.fromkeys(traces)),
        pulls_of=(digest,) if digest and grouped else (),
        is_dated=not grouped,  # it is raised at once
    )


def _of_delete(exchange: Exchange, repository: Repository, reference: Reference) -> Scope:
    digest = digest_of(exchange, reference)
    return Scope(
        repository=repository,
        client=exchange.client,
        tags=_tags(reference),
        digests=_unique((digest,)),
        deep=True,
        # Some registries do not say which digest a deleted tag named; memory does.
        meant_tag="" if digest else reference.tag or "",
        tags_of=reference.digest or "",
        traces=((TraceKind.RESOLVED, digest),) if digest and reference.digest else (),
        pulls_of=(digest,) if digest else (),
        is_dated=True,
    )


def _unique(digests: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, digests)))


def _tags(reference: Reference) -> tuple[str, ...]:
    return (reference.tag,) if reference.tag else ()


# Before a write operation is forwarded


def scope_of_intent(intent: Intent) -> Scope | None:
    """The part of the memory that shows the state before a write operation; None for nothing."""
    operation = intent.operation
    if not isinstance(operation, PutManifest | DeleteManifest):
        return None
    reference = operation.reference
    digest = reference.digest or intent.content_digest
    return Scope(
        repository=operation.repository,
        client=intent.client,
        tags=_tags(reference),
        digests=(digest,) if digest else (),
    )


def remembered(intent: Intent, snapshot: Snapshot) -> Remembered:
    """The remembered state before a write."""
    operation = intent.operation
    if not isinstance(operation, PutManifest | DeleteManifest):
        return Remembered.NOTHING
    reference = operation.reference
    digest = reference.digest or intent.content_digest
    named = snapshot.named_by(reference.tag) if reference.tag else None
    is_there = digest is not None and snapshot.manifest(digest) is not None
    if isinstance(operation, DeleteManifest):
        return Remembered.REFERENCE if named or is_there else Remembered.NOTHING
    if (named is not None and named == digest) or (is_there and reference.digest):
        return Remembered.REFERENCE
    return Remembered.MANIFEST if is_there else Remembered.NOTHING


def scope_of_recall(repository: Repository, digest: str) -> Scope:
    """The part of the memory about a manifest that is to be deleted."""
    return Scope(repository=repository, digests=(digest,), deep=True, tags_of=digest)
