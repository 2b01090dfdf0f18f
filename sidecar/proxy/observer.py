"""What watches a request pass: here nothing but the plain relay.

The handler asks in this order: `request_body`, then exactly one of `saw_head` and `saw_no_answer`; after
`saw_head` each piece of the answer, `before_end` and `saw_end`. An observer may delay the answer of a write, or
its end, until its exchange is recorded; it never changes it.
"""

from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from aiohttp import ClientResponse

from sidecar.model.exchange import Exchange, Outcome
from sidecar.proxy.answers import depends_on_accept, named_digest, oci_tags, request_id_of
from sidecar.proxy.interface import Hooks
from sidecar.proxy.relay import Upload
from sidecar.proxy.request_context import RequestContext
from sidecar.proxy.tasks import Tasks
from sidecar.proxy.unharmed import unharmed_work


class Observer:
    """Notes nothing: the plain relay."""

    #: Sees each piece of the answer's body before the client gets it.
    saw_piece: Callable[[bytes], None] | None = None
    #: Does what must be done before the client has the whole answer.
    before_end: Callable[[], Awaitable[None]] | None = None

    def __init__(self, context: RequestContext, hooks: Hooks, tasks: Tasks) -> None:
        self.context = context
        self.hooks = hooks
        self.tasks = tasks
        self.id: UUID = uuid4()
        self.began_at = now()

    async def request_body(self) -> Upload | None:
        """The body to send; whatever must be known or durable before is done here."""
        return self.context.streamed_body()

    async def saw_head(self, answer: ClientResponse) -> None:
        """The answer's head came."""

    async def saw_no_answer(self, outcome: Outcome, status: int) -> None:
        """The exchange ended before any answer."""

    async def saw_end(self, outcome: Outcome) -> None:
        """The answer was relayed as far as it will be."""

    def exchange(self, answer: ClientResponse, outcome: Outcome = Outcome.COMPLETED) -> Exchange:
        return Exchange(
            id=self.id,
            operation=self.context.operation,
            client=self.context.client,
            began_at=self.began_at,
            answered_at=now(),
            status=answer.status,
            outcome=outcome,
            content_digest=named_digest(answer),
            oci_tags=oci_tags(answer),
            request_id=self.request_id or request_id_of(answer.raw_headers),
            depends_on_accept=depends_on_accept(self.context, answer),
        )

    @property
    def request_id(self) -> str:
        """What the client calls this request; "" when it does not say, and the answer may."""
        return request_id_of(self.context.headers)

    async def record(self, exchange: Exchange) -> None:
        """Hand an exchange over; goes on when the request is cancelled."""
        await self.tasks.see_through(self.recorded(self.hooks.record(exchange)), name="record")

    def record_later(self, work: Coroutine[Any, Any, None]) -> None:
        """Hand an exchange over while the client goes on."""
        self.tasks.start(self.recorded(work), name="record")

    def recorded(self, work: Awaitable[None]) -> Coroutine[Any, Any, None]:
        """Recording, which keeps what the request holds until it has ended."""
        leave = self.context.share.retain()

        async def recorded() -> None:
            try:
                await unharmed_work(work)
            finally:
                leave()

        return recorded()


def now() -> datetime:
    return datetime.now(UTC)
