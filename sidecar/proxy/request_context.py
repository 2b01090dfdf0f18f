"""A request on its way, and what watches it pass: here nothing but the plain relay.

The handler asks in this order: `request_body`, then exactly one of `saw_head` and `saw_no_answer`; after
`saw_head` each piece of the answer, `before_end` and `saw_end`. An observer may delay the answer of a write, or
its end, until its exchange is recorded; it never changes it.
"""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, ParamSpec, TypeVar
from uuid import UUID, uuid4

import structlog
from aiohttp import ClientResponse, web

from sidecar.model.errors import NameInvalid
from sidecar.model.exchange import Client, Exchange, Outcome
from sidecar.model.manifest import INDEX_TYPES, MANIFEST_TYPES, media_type_of
from sidecar.model.names import Digest, is_tag, parse_digest
from sidecar.model.operation import Operation
from sidecar.proxy.budget import Share
from sidecar.proxy.headers import RawHeader, text_of, values_of
from sidecar.proxy.interface import Hooks, ProxySettings
from sidecar.proxy.relay import Upload
from sidecar.proxy.tasks import Tasks
from sidecar.proxy.upstream import Upstream

log = structlog.get_logger()

_LONGEST_REQUEST_ID: Final = 128
_MOST_OCI_TAGS: Final = 64  #: distribution-spec asks servers for ten at least


@dataclass(slots=True, kw_only=True)
class RequestContext:
    """A request that is on its way."""

    request: web.BaseRequest
    path: str  #: as on the wire, without the query
    target: str  #: path and query
    operation: Operation
    upstream: Upstream
    headers: list[RawHeader]  #: as the upstream gets them
    client: Client
    settings: ProxySettings
    share: Share  #: what may be kept of its bytes is taken from here
    say_continue: Callable[[], None] | None  #: set when the client waits with its body

    def streamed_body(self) -> Upload | None:
        if not self.request.body_exists:
            return None
        return Upload(rest=self.request.content, say_continue=self.say_continue)


class Observer:
    """Notes nothing: the plain relay."""

    #: Sees each piece of the answer's body before the client gets it.
    saw_piece: Callable[[bytes], None] | None = None
    #: Does what must be done before the client has the whole answer.
    before_end: Callable[[], Awaitable[None]] | None = None

    def __init__(self, passage: RequestContext, hooks: Hooks, tasks: Tasks) -> None:
        self.passage = passage
        self.hooks = hooks
        self.tasks = tasks
        self.id: UUID = uuid4()
        self.began_at = now()

    async def request_body(self) -> Upload | None:
        """The body to send; whatever must be known or durable before is done here."""
        return self.passage.streamed_body()

    async def saw_head(self, answer: ClientResponse) -> None:
        """The answer's head came."""

    async def saw_no_answer(self, outcome: Outcome, status: int) -> None:
        """The exchange ended before any answer."""

    async def saw_end(self, outcome: Outcome) -> None:
        """The answer was relayed as far as it will be."""

    def exchange(self, answer: ClientResponse, outcome: Outcome = Outcome.COMPLETED) -> Exchange:
        return Exchange(
            id=self.id,
            operation=self.passage.operation,
            client=self.passage.client,
            began_at=self.began_at,
            answered_at=now(),
            status=answer.status,
            outcome=outcome,
            content_digest=_named_digest(answer),
            oci_tags=_oci_tags(answer),
            request_id=self.request_id or _request_id(answer.raw_headers),
            depends_on_accept=_depends_on_accept(self.passage, answer),
        )

    @property
    def request_id(self) -> str:
        """What the client calls this request; "" when it does not say, and the answer may."""
        return _request_id(self.passage.headers)

    async def record(self, exchange: Exchange) -> None:
        """Hand an exchange over; goes on when the request is cancelled."""
        await self.tasks.see_through(self.recorded(self.hooks.record(exchange)), name="record")

    def record_later(self, work: Coroutine[Any, Any, None]) -> None:
        """Hand an exchange over while the client goes on."""
        self.tasks.start(self.recorded(work), name="record")

    def recorded(self, work: Awaitable[None]) -> Coroutine[Any, Any, None]:
        """Recording, which keeps what the request holds until it has ended."""
        leave = self.passage.share.hold()

        async def recorded() -> None:
            try:
                await unharmed_work(work)
            finally:
                leave()

        return recorded()


_Answer = TypeVar("_Answer")
_Given = ParamSpec("_Given")


def unharmed(hook: Callable[_Given, _Answer], *args: _Given.args, **kwargs: _Given.kwargs) -> _Answer | None:
    """A hook's answer, or None when it failed: its faults must not reach the client."""
    try:
        return hook(*args, **kwargs)
    except Exception:
        log.exception("hook.failed")
        return None


async def unharmed_work(work: Awaitable[None]) -> None:
    try:
        await work
    except Exception:
        log.exception("hook.failed")


def _request_id(headers: Sequence[RawHeader]) -> str:
    return text_of(headers, b"x-request-id")[:_LONGEST_REQUEST_ID]


def _named_digest(answer: ClientResponse) -> Digest | None:
    try:
        return parse_digest(answer.headers.get("Docker-Content-Digest", ""))
    except NameInvalid:
        return None


def _depends_on_accept(passage: RequestContext, answer: ClientResponse) -> bool:
    """Whether a registry may have answered with another manifest than the tag names, as the client accepts no other.

    It takes a list for its amd64 image then, and 2.8 an image for one of the first version. It reads types by name:
    neither `*/*` nor no Accept at all is one. Source: distribution registry/handlers/manifests.go, GetManifest.
    """
    if passage.request.method not in {"GET", "HEAD"}:
        return False
    if media_type_of(answer.headers.get("Content-Type", "")) in INDEX_TYPES:
        return False
    accepted = b",".join(values_of(passage.headers, b"accept")).decode("latin-1").split(",")
    return not set(MANIFEST_TYPES).issubset(map(media_type_of, accepted))


def _oci_tags(answer: ClientResponse) -> tuple[str, ...]:
    joined = b",".join(values_of(answer.raw_headers, b"oci-tag")).decode("latin-1")
    return tags_of(joined)


def tags_of(text: str) -> tuple[str, ...]:
    """The tags in a list that an upstream wrote, as many as are believed; what is no tag is left out."""
    named = (tag.strip() for tag in text.split(",", 4 * _MOST_OCI_TAGS)[: 4 * _MOST_OCI_TAGS])
    return tuple(dict.fromkeys(tag for tag in named if is_tag(tag)))[:_MOST_OCI_TAGS]


def now() -> datetime:
    return datetime.now(UTC)
