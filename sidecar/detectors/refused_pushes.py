"""Which refused requests are one push.

An upstream refuses each blob of a push, in parallel, and clients retry: docker five times in 50 s for each
layer. There is no explicit end of a push. It has ended when its client pauses for longer than clients do, or
begins another push, recognised by what it does once per push and never when it retries. Measured with docker,
podman, buildah, skopeo, crane, oras, helm and containerd: docs/events.md.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sidecar.detectors.traces import is_traced, traced
from sidecar.model.changes import Changes, PingsTaken, PushRefused
from sidecar.model.event import Event
from sidecar.model.exchange import Client, Exchange
from sidecar.model.memory import RefusedPush, Scope, Snapshot, TraceKind
from sidecar.model.names import Reference, Repository
from sidecar.model.operation import PutManifest, Routes, UploadChart, UploadProvenance, chart_repository_of

#: Statuses that clients take for trouble that may pass: they try again, docker after 20 s, the longest pause.
_TRIED_AGAIN: Final = timedelta(seconds=30)
#: Of any other they tell their user at once; what is refused later are other blobs that were on their way.
_FINAL: Final = timedelta(seconds=10)
#: Between `GET /v2/`, which most clients send once for each command, and their next request.
_PING_KEPT: Final = timedelta(seconds=3)
_ASKED_KEPT: Final = timedelta(minutes=10)
#: Requests sent while another one was being refused.
_AT_ONCE: Final = timedelta(milliseconds=100)
#: Clients that retry by repeating the whole push do it within this time.
_RESTARTED_WITHIN: Final = timedelta(seconds=5)

_BUILDKIT: Final = "buildkit/"
_ASK_FOR_BLOBS_ONCE: Final = ("containerd/", _BUILDKIT)
_PODMAN_AND_BUILDAH: Final = ("containers/", "Buildah/")


def asks_for_blobs_once(client: Client) -> bool:
    """Whether a client begins with HEADs of its blobs, and does not repeat them when it retries (crane does)."""
    return client.user_agent.startswith(_ASK_FOR_BLOBS_ONCE)


def refused_scope(client: Client, repository: Repository, asked: Reference | None = None) -> Scope:
    """The part of the memory that shows whether a refused push goes on, and what was requested before."""
    traces = ((TraceKind.ASKED, str(asked)),) if asked else ()
    return Scope(repository=repository, client=client, traces=traces, refused_in=repository)


def goes_on(exchange: Exchange, event: Event, snapshot: Snapshot, routes: Routes) -> tuple[bool, Changes]:
    """Whether a refused request belongs to a push that was refused before; it is noted as refused."""
    client, at = exchange.client, exchange.answered_at
    repository, what = subject_of(exchange, event, routes)
    known, pinged = _after_request(client, snapshot, began_at=exchange.began_at)
    push = known if known and _is_of(known, exchange, what) else None
    status = exchange.status
    if push and _pause_after(push.status) > _pause_after(status):
        status = push.status
    refused = RefusedPush(
        refused_at=at,
        until=at + _pause_after(status),
        since=push.since if push else _since(known, exchange.began_at),
        opened_at=push.opened_at if push else None,
        status=status,
        what=what or (push.what if push else ""),
        connection=client.connection,
    )
    return push is not None, (*pinged, PushRefused(client, repository, refused))


def request_noted(
    client: Client, repository: Repository, snapshot: Snapshot, *, began_at: datetime
) -> Changes:
    """A client requests something in a repository: a preceding `GET /v2/` belongs to this."""
    push, pinged = _after_request(client, snapshot, began_at=began_at)
    return (*pinged, *_changed(push, client, repository, snapshot))


def upload_noted(
    client: Client, repository: Repository, snapshot: Snapshot, *, began_at: datetime, at: datetime
) -> Changes:
    """A step of an upload begins or ends: its client's refused push goes on."""
    push, pinged = _after_request(client, snapshot, began_at=began_at)
    if push and _is_at_time_of(push, began_at, at):
        push = replace(push, until=max(push.until, at + _pause_after(push.status)))
    return (*pinged, *_changed(push, client, repository, snapshot))


def question_noted(
    client: Client,
    repository: Repository,
    what: Reference,
    snapshot: Snapshot,
    *,
    at: datetime,
    is_blob: bool,
) -> Changes:
    """A client checks whether a manifest or blob is there, before it pushes it: once per push.

    oras and helm check the manifest first, containerd its blobs, the last of them when others may have been
    refused already. For an index, each manifest is checked.
    """
    push, pinged = _after_request(client, snapshot, began_at=at)
    asked = asked_noted(client, repository, what, snapshot, at=at)
    if push and (_asked_before(push, what, snapshot, at) or _has_ended(push, at, is_blob=is_blob)):
        push = _opened(push, client, at=at)
    return (*pinged, *asked, *_changed(push, client, repository, snapshot))


def asked_noted(
    client: Client, repository: Repository, what: Reference, snapshot: Snapshot, *, at: datetime
) -> Changes:
    """As `question_noted`, if nothing was refused."""
    return (traced(snapshot.traces, TraceKind.ASKED, client, repository, str(what), at=at),)


def _after_request(
    client: Client, snapshot: Snapshot, *, began_at: datetime
) -> tuple[RefusedPush | None, Changes]:
    """The refused push, ended if its client sent `GET /v2/` before; that ping is then used up.

    The ping has no user and no repository: the next request of its client, in any repository, uses it up.
    """
    since, push = began_at - _PING_KEPT, snapshot.refused_push
    taken: Changes = ()
    if any(since <= ping <= began_at for ping in snapshot.pings):
        taken = (PingsTaken(client, since, began_at),)
    if push and snapshot.pinged_at and since <= snapshot.pinged_at <= began_at:
        push = _opened(push, client, at=began_at)  # even if more of it was refused meanwhile
    return push, taken


def _changed(push: RefusedPush | None, client: Client, repository: Repository, snapshot: Snapshot) -> Changes:
    return (PushRefused(client, repository, push),) if push and push != snapshot.refused_push else ()


def _asked_before(push: RefusedPush, what: Reference, snapshot: Snapshot, at: datetime) -> bool:
    return is_traced(snapshot.traces, TraceKind.ASKED, str(what), max(push.since, at - _ASKED_KEPT))


def _has_ended(push: RefusedPush, at: datetime, *, is_blob: bool) -> bool:
    """Whether a client that checks a manifest must be beginning another push."""
    return not is_blob and _pause_after(push.status) == _FINAL and at > push.refused_at + _AT_ONCE


def _opened(push: RefusedPush, client: Client, *, at: datetime) -> RefusedPush:
    """The push after its client has begun another one, unless that is an automatic retry."""
    begins_by_itself = _begins_again(client, push.status) and at < push.refused_at + _RESTARTED_WITHIN
    return push if push.opened_at or begins_by_itself else replace(push, opened_at=at)


def _begins_again(client: Client, status: int) -> bool:
    """Whether its client retries the whole push (BuildKit: util/push; containers/common: libimage)."""
    agent = client.user_agent
    return (
        agent.startswith(_PODMAN_AND_BUILDAH)
        if status == 429
        else status >= 500 and agent.startswith(_BUILDKIT)
    )


def _since(known: RefusedPush | None, began_at: datetime) -> datetime:
    """The earliest time of a check that belongs to the push that began at about that time."""
    if known is None or known.refused_at > began_at:
        return began_at - _ASKED_KEPT
    return known.opened_at or known.refused_at


def subject_of(exchange: Exchange, event: Event, routes: Routes) -> tuple[Repository, str]:
    """The key of a refused push, and the pushed object as far as this request names it."""
    match exchange.operation:
        case UploadChart(tenant) | UploadProvenance(tenant):
            name = f"{event.chart.name} {event.chart.version}" if event.chart else ""
            return chart_repository_of(tenant, "", routes), name
        case _:
            return event.repository, event.tag


def _is_of(push: RefusedPush, exchange: Exchange, what: str) -> bool:
    """Whether a refused request is part of a push."""
    began_at = exchange.began_at
    if not _is_at_time_of(push, began_at, exchange.answered_at):
        return False
    if push.opened_at and began_at >= push.opened_at:
        return False
    match exchange.operation:
        case UploadChart():  # one request is one push, unless a process repeats it
            return bool(what) and what == push.what and exchange.client.connection == push.connection != ""
        case PutManifest():
            return not what or push.what in {"", what}
        case _:
            return True


def _is_at_time_of(push: RefusedPush, began_at: datetime, ended_at: datetime) -> bool:
    """Whether a request comes before the end of a push, even if it began minutes before the first refusal.

    A push in the future is from before the clock was set back.
    """
    return began_at <= push.until and ended_at >= push.refused_at - _TRIED_AGAIN


def _pause_after(status: int) -> timedelta:
    """How long a client may pause in a push after such a refusal."""
    return _TRIED_AGAIN if status == 429 or status >= 500 else _FINAL
