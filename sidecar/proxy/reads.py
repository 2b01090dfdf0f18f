"""Reads that an event may come of: recorded after the answer, which never waits for it."""

from dataclasses import replace

from aiohttp import ClientResponse

from sidecar.exchange import Body, Exchange, Facts, Outcome
from sidecar.manifest import LARGEST_MANIFEST_BYTES
from sidecar.operation import GetBlob, GetManifest
from sidecar.proxy.passage import Observer, decoded, parsed, sha256_of, unharmed
from sidecar.proxy.relay import BodyCopy


class Read(Observer):
    """A read that an event may come of: recorded after the answer, which does not wait for it."""

    _answered: Exchange | None = None

    async def saw_head(self, answer: ClientResponse) -> bytes:
        if answer.status == 200:
            self._answered = self.exchange(answer)
            self.begin_copy(answer)
        return b""

    async def saw_end(self, outcome: Outcome) -> None:
        if self._answered:
            self.record_later(self.finish(replace(self._answered, outcome=outcome)))

    def begin_copy(self, answer: ClientResponse) -> None:
        """Keep what is needed of the answer's body."""

    async def finish(self, exchange: Exchange) -> None:
        await self.hooks.record(exchange)


class ManifestHead(Read):
    """HEAD of a manifest: how docker and containerd resolve a tag."""


class ManifestGet(Read):
    _copy: BodyCopy
    _content_type = ""
    _encoding = ""

    def begin_copy(self, answer: ClientResponse) -> None:
        self._copy = BodyCopy(LARGEST_MANIFEST_BYTES, self.passage.share)
        self._content_type = answer.headers.get("Content-Type", "")
        self._encoding = answer.headers.get("Content-Encoding", "").lower()
        self.saw_piece = self._copy.feed

    async def finish(self, exchange: Exchange) -> None:
        content = decoded(self._copy.content, self._encoding)
        if content is not None and exchange.outcome is Outcome.COMPLETED:
            exchange = replace(
                exchange,
                response_body=Body(content, self._content_type),
                content_digest=exchange.content_digest or sha256_of(content),
                facts=await self._facts(content),
            )
        await self.hooks.record(exchange)

    async def _facts(self, content: bytes) -> Facts:
        operation = self.passage.operation
        assert isinstance(operation, GetManifest)
        manifest = parsed(content, self._content_type)
        if not manifest or not manifest.is_chart or not self.hooks.wants_oci_chart(operation.repository):
            return Facts()
        look_ups = self.passage.look_ups()
        return await look_ups.within_time(look_ups.oci_chart(operation.repository, manifest))


class BlobGet(Observer):
    async def saw_head(self, answer: ClientResponse) -> bytes:
        operation = self.passage.operation
        assert isinstance(operation, GetBlob)
        if 200 <= answer.status < 400:
            unharmed(self.hooks.saw_blob, self.passage.client, operation.repository, operation.digest)
        return b""
