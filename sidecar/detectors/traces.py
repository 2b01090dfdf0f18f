"""Queries on a snapshot's traces: which client recently pushed, resolved, requested or fetched what."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from sidecar.model.changes import Change, TraceChanged, TraceLeft
from sidecar.model.exchange import Client
from sidecar.model.memory import Trace, TraceKind
from sidecar.model.names import Repository


def is_traced(traces: Iterable[Trace], kind: TraceKind, digest: str, since: datetime) -> bool:
    return any(found.kind is kind and found.digest == digest and found.seen_at >= since for found in traces)


def resolutions(traces: Iterable[Trace], digest: str, *, since: datetime, until: datetime) -> list[Trace]:
    """The resolutions to the digest in that time, the last one first."""
    found = [
        trace
        for trace in traces
        if trace.kind is TraceKind.RESOLVED and trace.digest == digest and since <= trace.seen_at <= until
    ]
    return sorted(found, key=lambda trace: trace.seen_at, reverse=True)


def resolved_tag(traces: Iterable[Trace], digest: str, *, since: datetime, until: datetime) -> str:
    """The tag that was last resolved to this digest in that time, "" for none."""
    found = resolutions(traces, digest, since=since, until=until)
    return found[0].tag if found else ""


def resolved_on_connection(traces: Iterable[Trace], client: Client, digest: str, since: datetime) -> bool:
    """Whether a tag was resolved to the digest on this very connection of the client."""
    return any(
        found.kind is TraceKind.RESOLVED
        and found.digest == digest
        and found.seen_at >= since
        and found.client is not None
        and found.client.shares_connection(client)
        for found in traces
    )


def taken_child(
    traces: Iterable[Trace],
    digest: str,
    *,
    at: datetime,
    since: datetime,
    again_since: datetime | None = None,
) -> TraceChanged | None:
    """The updated trace of an index that names the digest and that the client fetched since then.

    A child counts once for each fetch of its index, and again for a client that sends several requests, as long
    as it was counted after `again_since`. Any further fetch is a pull of its own.
    """
    for found in traces:
        if found.kind is not TraceKind.CHILD or found.digest != digest or found.seen_at < since:
            continue
        taken_again = again_since is not None and found.taken_at is not None and found.taken_at >= again_since
        if found.untaken > 0 or taken_again:
            taken = replace(found, untaken=max(found.untaken - 1, 0), taken_at=at)
            return TraceChanged(found, taken)
    return None


def fetched_child(
    traces: Iterable[Trace],
    client: Client,
    repository: Repository,
    digest: str,
    *,
    at: datetime,
    since: datetime,
) -> Change:
    """A client fetched an index that names the digest once more; its actions before `since` are over."""
    before = next((t for t in traces if t.kind is TraceKind.CHILD and t.digest == digest), None)
    if before is None:
        trace = Trace(kind=TraceKind.CHILD, client=client, repository=repository, digest=digest, seen_at=at)
        return TraceLeft(trace)
    untaken = before.untaken + 1 if before.seen_at >= since else 1
    return TraceChanged(before, replace(before, seen_at=at, untaken=untaken))


def traced(
    traces: Iterable[Trace],
    kind: TraceKind,
    client: Client | None,
    repository: Repository,
    digest: str,
    *,
    at: datetime,
) -> Change:
    """A new trace; for PUSHED, ASKED and CONFIG only the last time counts."""
    before = next((t for t in traces if t.kind is kind and t.digest == digest), None)
    if before is None:
        return TraceLeft(Trace(kind=kind, client=client, repository=repository, digest=digest, seen_at=at))
    return TraceChanged(before, replace(before, client=client, seen_at=at))
