"""Reads that an event may come of: recorded after the answer, which never waits for it."""

from dataclasses import replace

from aiohttp import ClientResponse

from sidecar.model.exchange import Body, Exchange, Outcome
from sidecar.model.manifest import LARGEST_MANIFEST_BYTES
from sidecar.model.operation import GetBlob, GetManifest, HeadBlob
from sidecar.proxy.manifest_facts import ManifestLookUps
from sidecar.proxy.manifests import decoded, sha256_of
from sidecar.proxy.observer import Observer
from sidecar.proxy.relay import BodyCopy
from sidecar.proxy.unharmed import unharmed


class Read(Observer):
    """A read that an event may come of: recorded after the answer, which does not wait for it."""

    _answered: Exchange | None = None

    async def saw_head(self, answer: ClientResponse) -> None:
        if answer.status == 200:
            self._answered = self.exchange(answer)
            self.begin_copy(answer)

    async def saw_end(self, outcome: Outcome) -> None:
        if self._answered:
            self.record_later(self.finish(replace(self._answered, outcome=outcome)))

    def begin_copy(self, answer: ClientResponse) -> None:
        """Keep what is needed of the answer's body."""

    async def finish(self, exchange: Exchange) -> None:
        await self.hooks.record(exchange)


class ManifestHead(Read):
    """HEAD of a manifest: how docker and containerd resolve a tag, and others see what they need not push."""

    async def saw_head(self, answer: ClientResponse) -> None:
        if answer.status in {200, 404}:
            self._answered = self.exchange(answer)


class ManifestGet(Read):
    _copy: BodyCopy
    _content_type = ""
    _encoding = ""

    def begin_copy(self, answer: ClientResponse) -> None:
        self._copy = BodyCopy(LARGEST_MANIFEST_BYTES, self.context.share)
        self._content_type = answer.headers.get("Content-Type", "")
        self._encoding = answer.headers.get("Content-Encoding", "").lower()
        self.saw_piece = self._copy.feed

    async def finish(self, exchange: Exchange) -> None:
        content = await decoded(self._copy.content, self._encoding)
        if content is not None and exchange.outcome is Outcome.COMPLETED:
            exchange = await self._understood(exchange, Body(content, self._content_type))
        await self.hooks.record(exchange)

    async def _understood(self, exchange: Exchange, body: Body) -> Exchange:
        operation = self.context.operation
        assert isinstance(operation, GetManifest)
        look_ups = ManifestLookUps.of(self.context, self.hooks)
        facts = await look_ups.within_time(look_ups.after_get(operation.repository, body))
        digest = exchange.content_digest or operation.reference.digest or await sha256_of(body.content)
        return replace(exchange, manifest=look_ups.manifest, content_digest=digest, facts=facts)


class PingGet(Observer):
    async def saw_head(self, answer: ClientResponse) -> None:  # noqa: ARG002
        unharmed(self.hooks.saw_ping, self.context.client)


class BlobHead(Observer):
    async def saw_head(self, answer: ClientResponse) -> None:  # noqa: ARG002
        operation = self.context.operation
        assert isinstance(operation, HeadBlob)
        unharmed(self.hooks.saw_blob_question, self.context.client, operation.repository, operation.digest)


class BlobGet(Observer):
    async def saw_head(self, answer: ClientResponse) -> None:
        operation = self.context.operation
        assert isinstance(operation, GetBlob)
        if 200 <= answer.status < 400:
            unharmed(self.hooks.saw_blob, self.context.client, operation.repository, operation.digest)
