"""What only the upstream knows, asked with the client's own rights and within a bounded time.

A delete takes away what names it, so its tags and sizes are asked for before it is forwarded. Whatever
cannot be learnt (a token that may delete but not pull, a slow upstream) is left out: a look-up never
changes what the client is answered.
"""

import asyncio
import hashlib
import json
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

import structlog

from sidecar.model.errors import NameInvalid, UpstreamUnavailable
from sidecar.model.exchange import HARBOR_CLIENT, Body, Facts
from sidecar.model.names import Digest, parse_digest
from sidecar.model.operation import Routes
from sidecar.proxy.budget import Share
from sidecar.proxy.headers import RawHeader, relative_location, text_of
from sidecar.proxy.interface import Hooks
from sidecar.proxy.relay import read_whole
from sidecar.proxy.request_context import RequestContext
from sidecar.proxy.upstream import FAULTS, Call, Upstream

log = structlog.get_logger()

_USER_AGENT: Final = b"registry-webhook-sidecar (look-up)"
_ASKED_WITH: Final = frozenset(
    {b"authorization", b"host", b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"}
)
_AT_ONCE: Final = 8
_MOST_REDIRECTS: Final = 2


@dataclass(frozen=True, slots=True)
class Found:
    """An upstream's answer to a look-up."""

    status: int
    headers: Sequence[RawHeader]
    content: bytes  #: b"" when it was larger than asked for

    @property
    def digest(self) -> Digest | None:
        """As the registry names the content, else as it hashes."""
        named = text_of(self.headers, b"docker-content-digest")
        if not named and self.content:
            named = f"sha256:{hashlib.sha256(self.content).hexdigest()}"
        try:
            return parse_digest(named)
        except NameInvalid:
            return None

    @property
    def body(self) -> Body:
        return Body(self.content, text_of(self.headers, b"content-type"))

    def document(self) -> dict[str, Any]:
        """The content as a JSON object, {} for anything else."""
        try:
            document = json.loads(self.content)
        except (ValueError, RecursionError):
            return {}
        return document if isinstance(document, dict) else {}


@dataclass(slots=True, kw_only=True)
class LookUps:
    """The look-ups of one exchange; `facts` grows while they go on."""

    upstream: Upstream
    headers: Sequence[RawHeader]  #: of the request that is about to be forwarded
    timeout_s: float
    most_tags: int
    routes: Routes
    hooks: Hooks
    share: Share
    asked_by: str  #: the client's address: parsers take turns by it
    facts: Facts = field(default_factory=lambda: Facts(children={}, platforms={}))
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))

    @classmethod
    def of(cls, context: RequestContext, hooks: Hooks) -> Self:
        settings = context.settings
        return cls(
            upstream=context.upstream,
            headers=context.headers,
            timeout_s=settings.look_up_timeout_s,
            most_tags=settings.most_tags_looked_up,
            routes=settings.routes,
            hooks=hooks,
            share=context.share,
            asked_by=context.client.address,
        )

    async def within_time(self, work: Coroutine[Any, Any, None]) -> Facts:
        """What is known when the work is done or the time is over."""
        try:
            async with asyncio.timeout(self.timeout_s):
                await work
        except TimeoutError:
            log.info("facts.timed_out", timeout_s=self.timeout_s)
        except Exception:
            log.exception("facts.failed")  # a fault of ours must not refuse a push
        return self.facts

    # Asking

    async def ask(
        self, target: str, *, limit_bytes: int, method: str = "GET", accept: Sequence[str] = ()
    ) -> Found | None:
        """An answer, or None when there was none."""
        call = self._question(target, method=method, accept=accept)
        try:
            async with self._slots:
                return await self._follow(call, limit_bytes)
        except (UpstreamUnavailable, *FAULTS) as exc:
            log.info("facts.not_found", error=type(exc).__name__)
            return None

    def _question(self, target: str, *, method: str = "GET", accept: Sequence[str] = ()) -> Call:
        headers = [pair for pair in self.headers if pair[0].lower() in _ASKED_WITH]
        headers.append((b"User-Agent", HARBOR_CLIENT.encode() if accept else _USER_AGENT))
        if accept:
            headers.append((b"Accept", ", ".join(accept).encode()))
        return Call(method=method, target=target, headers=headers)

    async def _follow(self, call: Call, limit_bytes: int) -> Found:
        """Blobs may be kept elsewhere; a storage service must not see the client's credentials."""
        upstream = self.upstream
        for _ in range(_MOST_REDIRECTS):
            found = await _fetch(upstream, call, limit_bytes)
            location = text_of(found.headers, b"location")
            if found.status not in {301, 302, 303, 307, 308} or not location:
                return found
            target = relative_location(location.encode("latin-1"), upstream.url).decode("latin-1")
            if target.startswith("/"):
                call = Call(method=call.method, target=target, headers=call.headers)
            else:
                upstream, call = upstream.elsewhere(location, method=call.method)
        return await _fetch(upstream, call, limit_bytes)


async def _fetch(upstream: Upstream, call: Call, limit_bytes: int) -> Found:
    answer = await upstream.send(call)
    try:
        content, is_whole = await read_whole(answer.content, limit_bytes)
        return Found(answer.status, answer.raw_headers, content if is_whole else b"")
    finally:
        answer.close()
