"""What is noted of an exchange while it goes by, one class for each kind of operation.

The handler asks in this order: `request_body`, then exactly one of `saw_head` and `saw_no_answer`; after
`saw_head` each piece of the answer and `saw_end`. An observer may delay the answer of a write until its
exchange is recorded; it never changes it.
"""

import hashlib
import zlib
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, ParamSpec, TypeVar
from uuid import UUID, uuid4

import structlog
from aiohttp import ClientResponse, web

from sidecar.chartfile import ChartDownload, ChartUpload
from sidecar.errors import ManifestInvalid, NameInvalid, StoreUnavailable
from sidecar.event import Chart
from sidecar.exchange import Body, Client, Exchange, Facts, Intent, Outcome
from sidecar.manifest import LARGEST_MANIFEST_BYTES, Manifest, parse_manifest
from sidecar.names import Digest, parse_digest
from sidecar.operation import (
    DeleteChart,
    DeleteManifest,
    DownloadChart,
    GetBlob,
    GetManifest,
    HeadManifest,
    Operation,
    PutManifest,
    UploadChart,
    WriteBlob,
    WriteOperation,
)
from sidecar.proxy.facts import LookUps, chart_path
from sidecar.proxy.headers import RawHeader, text_of, values_of
from sidecar.proxy.interface import Hooks, ProxySettings
from sidecar.proxy.refusals import Refused
from sidecar.proxy.relay import BodyCopy, ClientGone, Upload, read_whole
from sidecar.proxy.tasks import Tasks
from sidecar.proxy.upstream import FAULTS, Upstream

log = structlog.get_logger()

_LARGEST_ERROR_BYTES: Final = 64 * 1024
_LONGEST_REQUEST_ID: Final = 128


@dataclass(slots=True, kw_only=True)
class Passage:
    """A request that is on its way."""

    request: web.BaseRequest
    path: str  #: as on the wire, without the query
    target: str  #: path and query
    operation: Operation
    upstream: Upstream
    headers: list[RawHeader]  #: as the upstream gets them
    client: Client
    settings: ProxySettings
    say_continue: Callable[[], None] | None  #: set when the client waits with its body

    def streamed_body(self) -> Upload | None:
        if not self.request.body_exists:
            return None
        return Upload(rest=self.request.content, say_continue=self.say_continue)

    def look_ups(self) -> LookUps:
        return LookUps(
            upstream=self.upstream,
            headers=self.headers,
            timeout_s=self.settings.look_up_timeout_s,
            most_tags=self.settings.most_tags_looked_up,
            routes=self.settings.routes,
        )


class Observer:
    """Notes nothing: the plain relay."""

    #: Sees each piece of the answer's body before the client gets it.
    saw_piece: Callable[[bytes], None] | None = None

    def __init__(self, passage: Passage, hooks: Hooks, tasks: Tasks) -> None:
        self.passage = passage
        self.hooks = hooks
        self.tasks = tasks
        self.id: UUID = uuid4()

    async def request_body(self) -> Upload | None:
        """The body to send; whatever must be known or durable before is done here."""
        return self.passage.streamed_body()

    async def saw_head(self, answer: ClientResponse) -> bytes:  # noqa: ARG002
        """The answer's head came; returns what was read of its body already."""
        return b""

    async def saw_no_answer(self, outcome: Outcome, status: int) -> None:
        """The exchange ended before any answer."""

    async def saw_end(self, outcome: Outcome) -> None:
        """The answer was relayed as far as it will be."""

    def exchange(self, answer: ClientResponse, outcome: Outcome = Outcome.COMPLETED) -> Exchange:
        return Exchange(
            id=self.id,
            operation=self.passage.operation,
            client=self.passage.client,
            answered_at=_now(),
            status=answer.status,
            outcome=outcome,
            content_digest=_named_digest(answer),
            oci_tags=_oci_tags(answer),
            request_id=self.request_id,
        )

    @property
    def request_id(self) -> str:
        return text_of(self.passage.headers, b"x-request-id")[:_LONGEST_REQUEST_ID]

    async def record(self, exchange: Exchange) -> None:
        """Hand an exchange over; goes on when the request is cancelled."""
        await self.tasks.see_through(_unharmed(self.hooks.record(exchange)), name="record")

    def record_later(self, work: Coroutine[Any, Any, None]) -> None:
        """Hand an exchange over while the client goes on."""
        self.tasks.start(_unharmed(work), name="record")


class _Read(Observer):
    """A read that an event may come of: recorded after the answer, which does not wait for it."""

    _answered: Exchange | None = None

    async def saw_head(self, answer: ClientResponse) -> bytes:
        if answer.status == 200:
            self._answered = self.exchange(answer)
            self._begin_copy(answer)
        return b""

    async def saw_end(self, outcome: Outcome) -> None:
        if self._answered:
            self.record_later(self._finish(replace(self._answered, outcome=outcome)))

    def _begin_copy(self, answer: ClientResponse) -> None:
        """Keep what is needed of the answer's body."""

    async def _finish(self, exchange: Exchange) -> None:
        await self.hooks.record(exchange)


class ManifestHead(_Read):
    """HEAD of a manifest: how docker and containerd resolve a tag."""


class ManifestGet(_Read):
    _copy: BodyCopy
    _content_type = ""
    _encoding = ""

    def _begin_copy(self, answer: ClientResponse) -> None:
        self._copy = BodyCopy(LARGEST_MANIFEST_BYTES)
        self._content_type = answer.headers.get("Content-Type", "")
        self._encoding = answer.headers.get("Content-Encoding", "").lower()
        self.saw_piece = self._copy.feed

    async def _finish(self, exchange: Exchange) -> None:
        content = _decoded(self._copy.content, self._encoding)
        if content is not None and exchange.outcome is Outcome.COMPLETED:
            exchange = replace(
                exchange,
                response_body=Body(content, self._content_type),
                content_digest=exchange.content_digest or _sha256(content),
                facts=await self._facts(content),
            )
        await self.hooks.record(exchange)

    async def _facts(self, content: bytes) -> Facts:
        operation = self.passage.operation
        assert isinstance(operation, GetManifest)
        manifest = _parsed(content, self._content_type)
        if not manifest or not manifest.is_chart or not self.hooks.wants_oci_chart(operation.repository):
            return Facts()
        look_ups = self.passage.look_ups()
        return await look_ups.within_time(look_ups.oci_chart(operation.repository, manifest))


class ChartDownloaded(_Read):
    _chart: ChartDownload | None = None

    def _begin_copy(self, answer: ClientResponse) -> None:
        if not answer.headers.get("Content-Encoding"):
            self._chart = ChartDownload()
            self.saw_piece = self._chart.feed

    async def _finish(self, exchange: Exchange) -> None:
        found = self._chart.finish() if self._chart and exchange.outcome is Outcome.COMPLETED else None
        if found:
            exchange = replace(exchange, chart=found.chart(path=self.passage.path))
        await self.hooks.record(exchange)


class BlobGet(Observer):
    async def saw_head(self, answer: ClientResponse) -> bytes:
        operation = self.passage.operation
        assert isinstance(operation, GetBlob)
        if 200 <= answer.status < 400:
            unharmed(self.hooks.saw_blob, self.passage.client, operation.repository)
        return b""


class _Write(Observer):
    """A request that may be refused for want of room: the client waits until that is recorded."""

    async def saw_head(self, answer: ClientResponse) -> bytes:
        exchange = self.described(self.exchange(answer))
        if exchange.succeeded:
            await self.saw_success(exchange)
            return b""
        opening, outcome = await _read_error(answer)
        content = _decoded(opening[:_LARGEST_ERROR_BYTES], answer.headers.get("Content-Encoding", "").lower())
        body = Body(content or b"", answer.headers.get("Content-Type", ""))
        await self.record(replace(exchange, outcome=outcome, response_body=body))
        return opening

    async def saw_success(self, exchange: Exchange) -> None:
        await self.record(exchange)

    def described(self, exchange: Exchange) -> Exchange:
        """The exchange with what was learnt from the request."""
        return exchange


class BlobWrite(_Write):
    async def saw_head(self, answer: ClientResponse) -> bytes:
        # Asking for credentials, or for an upload that is no more, is the usual course of things.
        return b"" if answer.status in {401, 404, 416} else await super().saw_head(answer)

    async def request_body(self) -> Upload | None:
        self._saw_upload()
        return await super().request_body()

    async def saw_success(self, exchange: Exchange) -> None:
        """A blob alone is no event."""

    async def saw_end(self, outcome: Outcome) -> None:  # noqa: ARG002
        self._saw_upload()

    async def saw_no_answer(self, outcome: Outcome, status: int) -> None:  # noqa: ARG002
        self._saw_upload()

    def _saw_upload(self) -> None:
        operation = self.passage.operation
        assert isinstance(operation, WriteBlob)
        unharmed(self.hooks.saw_upload, self.passage.client, operation.repository)


class _IntendedWrite(_Write):
    """A write that raises an event: noted before it is forwarded, recorded before it is answered."""

    intent: Intent

    async def note(self, *, request_body: Body | None = None, facts: Facts | None = None) -> None:
        operation = self.passage.operation
        assert isinstance(operation, WriteOperation)
        self.intent = Intent(
            id=self.id,
            operation=operation,
            client=self.passage.client,
            opened_at=_now(),
            request_body=request_body,
            facts=facts or Facts(),
            request_id=self.request_id,
        )
        await self.open_intent()

    async def open_intent(self) -> None:
        try:
            await self.hooks.open_intent(self.intent)
        except StoreUnavailable as exc:
            raise Refused("events cannot be kept right now; try again later", status=503) from exc
        except Exception:  # a fault of ours must not refuse a push
            log.exception("intent.not_opened", operation=type(self.intent.operation).__name__)

    def described(self, exchange: Exchange) -> Exchange:
        intent = self.intent
        return replace(exchange, facts=intent.facts, request_body=intent.request_body, chart=intent.chart)

    async def saw_no_answer(self, outcome: Outcome, status: int) -> None:
        """Status 0 when the upstream may have done what it was asked for: the intent stays open then."""
        exchange = Exchange(
            id=self.id,
            operation=self.passage.operation,
            client=self.passage.client,
            answered_at=_now(),
            status=status,
            outcome=outcome,
            request_id=self.request_id,
        )
        await self.record(self.described(exchange))


class ManifestPut(_IntendedWrite):
    async def request_body(self) -> Upload | None:
        pieces, is_whole = await self._read_request()
        content_type = text_of(self.passage.headers, b"content-type")
        body = Body(b"".join(pieces), content_type) if is_whole else None
        await self.note(request_body=body, facts=await self._facts(body) if body else None)
        rest = None if is_whole else self.passage.request.content
        return Upload(opening=pieces, rest=rest) if pieces else self.passage.streamed_body()

    async def _read_request(self) -> tuple[list[bytes], bool]:
        request = self.passage.request
        if request.body_exists and (request.content_length or 0) > LARGEST_MANIFEST_BYTES:
            return [], False
        if self.passage.say_continue:
            self.passage.say_continue()  # its content must be known before it is forwarded
            self.passage.say_continue = None
            self.passage.headers[:] = [p for p in self.passage.headers if p[0].lower() != b"expect"]
        try:
            return await read_whole(request.content, LARGEST_MANIFEST_BYTES)
        except Exception as exc:
            raise ClientGone(f"request body ended early: {type(exc).__name__}") from exc

    async def _facts(self, body: Body) -> Facts:
        operation = self.passage.operation
        assert isinstance(operation, PutManifest)
        manifest = _parsed(body.content, body.content_type)
        if not manifest:
            return Facts()
        look_ups = self.passage.look_ups()
        wants_chart = self.hooks.wants_oci_chart(operation.repository)
        return await look_ups.within_time(
            look_ups.before_put(operation.repository, manifest, wants_chart=wants_chart)
        )

    def described(self, exchange: Exchange) -> Exchange:
        exchange = super().described(exchange)
        operation, body = self.passage.operation, exchange.request_body
        assert isinstance(operation, PutManifest)
        digest = exchange.content_digest or operation.reference.digest
        if digest is None and body is not None:
            digest = _sha256(body.content)
        return replace(exchange, content_digest=digest)


class ManifestDelete(_IntendedWrite):
    async def request_body(self) -> Upload | None:
        operation = self.passage.operation
        assert isinstance(operation, DeleteManifest)
        look_ups = self.passage.look_ups()
        wants_chart = self.hooks.wants_oci_chart(operation.repository)
        facts = await look_ups.within_time(look_ups.before_delete(operation, wants_chart=wants_chart))
        await self.note(facts=facts)
        return self.passage.streamed_body()


class ChartDelete(_IntendedWrite):
    async def request_body(self) -> Upload | None:
        operation = self.passage.operation
        assert isinstance(operation, DeleteChart)
        look_ups = self.passage.look_ups()
        facts = await look_ups.within_time(look_ups.before_delete_chart(operation, self.passage.path))
        await self.note(facts=facts)
        return self.passage.streamed_body()


class ChartPost(_IntendedWrite):
    """Relayed as it comes; what it holds is noted before its last bytes let the upstream keep it."""

    async def request_body(self) -> Upload | None:
        content_type = text_of(self.passage.headers, b"content-type")
        self._upload = ChartUpload(content_type, self.passage.settings.chart_form_fields)
        await self.note()
        request = self.passage.request
        if not request.body_exists:
            return None
        return Upload(rest=request.content, tap=self, say_continue=self.passage.say_continue)

    def feed(self, piece: bytes) -> None:
        self._upload.feed(piece)

    async def before_last(self) -> None:
        operation = self.passage.operation
        assert isinstance(operation, UploadChart)
        if found := self._upload.finish():
            path = chart_path(self.passage.settings.routes, operation.tenant, found.name, found.version)
            chart: Chart = found.chart(path=path)
            self.intent = replace(self.intent, chart=chart, chart_digest=found.digest)
            await self.open_intent()


_OBSERVERS: Final[dict[type[Operation], type[Observer]]] = {
    PutManifest: ManifestPut,
    GetManifest: ManifestGet,
    HeadManifest: ManifestHead,
    DeleteManifest: ManifestDelete,
    GetBlob: BlobGet,
    WriteBlob: BlobWrite,
    UploadChart: ChartPost,
    DownloadChart: ChartDownloaded,
    DeleteChart: ChartDelete,
}


def observer_of(operation: Operation) -> type[Observer]:
    return _OBSERVERS.get(type(operation), Observer)


_Answer = TypeVar("_Answer")
_Given = ParamSpec("_Given")


def unharmed(hook: Callable[_Given, _Answer], *args: _Given.args, **kwargs: _Given.kwargs) -> _Answer | None:
    """A hook's answer, or None when it failed: its faults must not reach the client."""
    try:
        return hook(*args, **kwargs)
    except Exception:
        log.exception("hook.failed")
        return None


async def _unharmed(work: Awaitable[None]) -> None:
    try:
        await work
    except Exception:
        log.exception("exchange.not_recorded")


async def _read_error(answer: ClientResponse) -> tuple[bytes, Outcome]:
    """The beginning of a refusal, which says why."""
    try:
        pieces, _ = await read_whole(answer.content, _LARGEST_ERROR_BYTES)
    except FAULTS:
        return b"", Outcome.UPSTREAM_FAILED
    return b"".join(pieces), Outcome.COMPLETED


def _named_digest(answer: ClientResponse) -> Digest | None:
    try:
        return parse_digest(answer.headers.get("Docker-Content-Digest", ""))
    except NameInvalid:
        return None


def _oci_tags(answer: ClientResponse) -> tuple[str, ...]:
    joined = b",".join(values_of(answer.raw_headers, b"oci-tag")).decode("latin-1")
    return tuple(tag.strip() for tag in joined.split(",") if tag.strip())


def _decoded(content: bytes | None, encoding: str) -> bytes | None:
    """A body without its content-encoding, None when it is unknown or grows too large."""
    if content is None or encoding in {"", "identity"}:
        return content
    if encoding not in {"gzip", "x-gzip"}:
        return None
    inflater = zlib.decompressobj(31)
    try:
        plain = inflater.decompress(content, LARGEST_MANIFEST_BYTES)
    except zlib.error:
        return None
    return plain if inflater.eof else None


def _sha256(content: bytes) -> Digest:
    return Digest(f"sha256:{hashlib.sha256(content).hexdigest()}")


def _parsed(content: bytes, content_type: str) -> Manifest | None:
    try:
        return parse_manifest(content, content_type)
    except ManifestInvalid:
        return None


def _now() -> datetime:
    return datetime.now(UTC)
