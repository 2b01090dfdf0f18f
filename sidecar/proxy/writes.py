"""Writes: admitted before they are forwarded, recorded before the client sees the end of their answer."""

import asyncio
import hashlib
from contextlib import suppress
from dataclasses import replace
from typing import Final

from aiohttp import ClientResponse, StreamReader

from sidecar.model.encodings import decoded_opening
from sidecar.model.exchange import (
    LARGEST_NOTED_BYTES,
    LARGEST_REFUSAL_BYTES,
    Body,
    Exchange,
    Outcome,
    Refusal,
)
from sidecar.model.manifest import LARGEST_MANIFEST_BYTES
from sidecar.model.names import Digest
from sidecar.model.operation import DeleteManifest, PutManifest, WriteBlob
from sidecar.proxy.admission import GatedWrite
from sidecar.proxy.headers import text_of
from sidecar.proxy.manifest_facts import ManifestLookUps
from sidecar.proxy.manifests import sha256_of
from sidecar.proxy.observer import now
from sidecar.proxy.refusals import Refused, no_memory_left
from sidecar.proxy.relay import ClientGone, Upload, read_whole
from sidecar.proxy.unharmed import unharmed, unharmed_work
from sidecar.proxy.upstream import FAULTS

#: A refusal of which nothing comes for so long is recorded with what has come of it.
_REFUSAL_PAUSES_S: Final = 2.0


class Write(GatedWrite):
    """A request that may be refused for lack of storage: recorded before the client sees the end of the answer.

    Of a refusal the client gets what comes as it comes, all but its end.
    """

    _refused: Exchange | None = None  #: until it is being recorded
    _recording: asyncio.Task[None] | None = None
    _left: StreamReader  #: of a refusal, what has not been read yet

    async def saw_head(self, answer: ClientResponse) -> None:
        exchange = self.described(self.exchange(answer))
        if exchange.succeeded:
            await self.saw_success(exchange)
            return
        refusal = Refusal(
            content=b"",
            content_type=answer.headers.get("Content-Type", ""),
            names_retry="Retry-After" in answer.headers,
        )
        self._refused, self._opening = replace(exchange, refusal=refusal), bytearray()
        self._left = answer.content
        self._encoding = answer.headers.get("Content-Encoding", "").strip().lower()
        self.saw_piece = self._feed
        self.before_end = self._before_end
        self._wait_for_more()

    def _wait_for_more(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_REFUSAL_PAUSES_S, self._give_up_waiting)

    def _feed(self, piece: bytes) -> None:
        wanted = piece[: LARGEST_REFUSAL_BYTES - len(self._opening)]
        if not wanted:
            return
        self._opening += wanted
        if self._refused:
            self._timer.cancel()
            self._wait_for_more()

    async def _before_end(self) -> None:
        await self._recorded_refusal(Outcome.COMPLETED)

    async def saw_end(self, outcome: Outcome) -> None:
        if self._refused and outcome is Outcome.CLIENT_GONE:
            await self._read_on()
        await self._recorded_refusal(outcome)

    async def _read_on(self) -> None:
        """What the client did not wait for, as far as it comes at once: its other blobs may all be refused so."""
        with suppress(TimeoutError, *FAULTS):
            async with asyncio.timeout(_REFUSAL_PAUSES_S):
                while len(self._opening) < LARGEST_REFUSAL_BYTES and (piece := await self._left.readany()):
                    self._feed(piece)

    def _give_up_waiting(self) -> None:
        self._begin_recording(Outcome.COMPLETED)

    async def _recorded_refusal(self, outcome: Outcome) -> None:
        self._begin_recording(outcome)
        if self._recording:
            await asyncio.shield(self._recording)

    def _begin_recording(self, outcome: Outcome) -> None:
        exchange, self._refused = self._refused, None
        if exchange:
            self._timer.cancel()
            work = unharmed_work(self._record_refusal(exchange, outcome))
            self._recording = self.tasks.start(work, name="record")

    async def _record_refusal(self, exchange: Exchange, outcome: Outcome) -> None:
        content = decoded_opening(bytes(self._opening), self._encoding, LARGEST_REFUSAL_BYTES)
        assert exchange.refusal
        refusal = replace(exchange.refusal, content=content)
        await self.record(await self.refused(replace(exchange, outcome=outcome, refusal=refusal)))

    async def refused(self, exchange: Exchange) -> Exchange:
        """The exchange of a refusal with what can be learnt of what was to be written."""
        return exchange

    async def saw_success(self, exchange: Exchange) -> None:
        """Nothing of it is an event."""

    def described(self, exchange: Exchange) -> Exchange:
        """The exchange with what was learnt from the request."""
        return exchange


class BlobWrite(Write):
    async def request_body(self) -> Upload | None:
        body = await super().request_body()
        self._saw_upload()
        return body

    async def saw_end(self, outcome: Outcome) -> None:
        await super().saw_end(outcome)
        self._saw_upload()

    async def saw_no_answer(self, outcome: Outcome, status: int) -> None:  # noqa: ARG002
        self._saw_upload()

    def _saw_upload(self) -> None:
        operation = self.context.operation
        assert isinstance(operation, WriteBlob)
        unharmed(self.hooks.saw_upload, self.context.client, operation.repository, self.began_at)


class IntendedWrite(Write):
    """A write that raises an event: an intent is open before it is forwarded, and closed before it is answered."""

    async def saw_success(self, exchange: Exchange) -> None:
        await self.record(exchange)

    def described(self, exchange: Exchange) -> Exchange:
        return replace(exchange, facts=self.asked.facts)

    async def saw_no_answer(self, outcome: Outcome, status: int) -> None:
        """Status 0 when the upstream may have done what it was asked for: the intent stays open then."""
        exchange = Exchange(
            id=self.id,
            operation=self.context.operation,
            client=self.context.client,
            began_at=self.began_at,
            answered_at=now(),
            status=status,
            outcome=outcome,
            request_id=self.request_id,
        )
        await self.record(self.described(exchange))


class ManifestPut(IntendedWrite):
    """Not a byte of it is parsed before the upstream has accepted it."""

    _body: Body | None = None  #: the manifest, unless it is larger than is kept

    async def request_body(self) -> Upload | None:
        content, is_whole = await self._read_request()
        opening = (content,) if content else ()
        if is_whole:
            await self._ask_with(content)
            return Upload(opening=opening) if opening else self.context.streamed_body()
        # The upstream may take larger ones than we keep: what they are is known when all of it has come.
        self._running = hashlib.sha256(content)
        await self.ask()
        return Upload(
            opening=opening,
            rest=self.context.request.content,
            tap=self,
            say_continue=self.context.say_continue,
        )

    async def _ask_with(self, content: bytes) -> None:
        self._body = Body(content, text_of(self.context.headers, b"content-type"))
        noted = self._body if len(content) <= LARGEST_NOTED_BYTES else None
        await self.ask(request_body=noted, content_digest=await sha256_of(content))

    def feed(self, piece: bytes) -> None:
        self._running.update(piece)

    async def before_last(self) -> None:
        await self.ask_again(content_digest=Digest(f"sha256:{self._running.hexdigest()}"))

    async def _read_request(self) -> tuple[bytes, bool]:
        request = self.context.request
        if not request.body_exists:
            return b"", True
        # Of a body without a length, before it comes: what has begun must not fail for lack of storage.
        size_bytes = LARGEST_MANIFEST_BYTES if request.content_length is None else request.content_length
        if size_bytes > LARGEST_MANIFEST_BYTES:
            return b"", False
        if not self.context.share.take(2 * size_bytes):
            raise no_memory_left()
        if self.context.say_continue:
            self.context.say_continue()  # its content must be known before it is forwarded
            self.context.say_continue = None
            self.context.headers[:] = [p for p in self.context.headers if p[0].lower() != b"expect"]
        try:
            async with asyncio.timeout(self.context.settings.limits.body_timeout_s):
                content, is_whole = await read_whole(request.content, LARGEST_MANIFEST_BYTES)
        except TimeoutError as exc:
            raise Refused("the manifest did not come in time", status=408) from exc
        except Exception as exc:
            raise ClientGone(f"request body ended early: {type(exc).__name__}") from exc
        self.context.share.release(2 * (size_bytes - len(content)))
        return content, is_whole

    async def saw_success(self, exchange: Exchange) -> None:
        await self.tasks.see_through(self.recorded(self._record_understood(exchange)), name="record")

    async def _record_understood(self, exchange: Exchange) -> None:
        operation = self.context.operation
        assert isinstance(operation, PutManifest)
        if self._body:
            look_ups = ManifestLookUps.of(self.context, self.hooks)
            facts = await look_ups.within_time(look_ups.after_put(operation.repository, self._body))
            exchange = replace(exchange, facts=facts, manifest=look_ups.manifest)
        await self.hooks.record(exchange)

    def described(self, exchange: Exchange) -> Exchange:
        exchange = super().described(exchange)
        operation = self.context.operation
        assert isinstance(operation, PutManifest)
        named = exchange.content_digest or operation.reference.digest or self.asked.content_digest
        return replace(exchange, content_digest=named)


class ManifestDelete(IntendedWrite):
    async def request_body(self) -> Upload | None:
        operation = self.context.operation
        assert isinstance(operation, DeleteManifest)
        look_ups = ManifestLookUps.of(self.context, self.hooks)
        await self.ask(facts=await look_ups.within_time(look_ups.before_delete(operation)))
        return self.context.streamed_body()

    def described(self, exchange: Exchange) -> Exchange:
        exchange = super().described(exchange)
        return replace(exchange, manifest=self.asked.facts.manifest)
