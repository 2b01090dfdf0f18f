"""A write that is forwarded only when it is admitted."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Final

import structlog
from aiohttp import web

from sidecar.model.admission import AdmissionRequest, Denied, GatedOperation
from sidecar.model.exchange import Body, Facts
from sidecar.model.names import Digest
from sidecar.proxy.observer import Observer, now
from sidecar.proxy.refusals import denial
from sidecar.proxy.relay import Upload

log = structlog.get_logger()

#: Of a body whose client is told no: what is larger, or takes longer, ends the connection.
_LARGEST_REST_BYTES: Final = 256 * 1024
_REST_PATIENCE_S: Final = 2.0


class GatedWrite(Observer):
    """Asks whether it may be forwarded before anything of it is."""

    asked: AdmissionRequest

    async def request_body(self) -> Upload | None:
        await self.ask()
        return await super().request_body()

    async def ask(
        self,
        *,
        request_body: Body | None = None,
        content_digest: Digest | None = None,
        facts: Facts | None = None,
    ) -> None:
        """Raises Refused where it is denied."""
        operation = self.context.operation
        assert isinstance(operation, GatedOperation)
        self.asked = AdmissionRequest(
            id=self.id,
            operation=operation,
            client=self.context.client,
            came_at=now(),
            request_body=request_body,
            content_digest=content_digest,
            facts=facts or Facts(),
            request_id=self.request_id,
        )
        await self._abide()

    async def ask_again(
        self, *, content_digest: Digest | None = None, chart_sizes: Mapping[Digest, int] | None = None
    ) -> None:
        """With what is known now that all of the body has come; raises as `ask` does."""
        self.asked = replace(self.asked, content_digest=content_digest, chart_sizes=chart_sizes or {})
        await self._abide()

    async def _abide(self) -> None:
        # Who decides also decides what its own faults mean: one that comes here is one that it did not see.
        try:
            answer = await self.hooks.admit(self.asked)
        except Exception:
            log.exception("hook.failed")
            return
        if isinstance(answer, Denied):
            log.info(
                "write.denied",
                operation=type(self.asked.operation).__name__,
                status=answer.status,
                code=answer.code,
                request_id=self.request_id,
            )
            if not self.context.say_continue:  # else nothing comes
                await _take_rest(self.context.request)
            raise denial(answer)


async def _take_rest(request: web.BaseRequest) -> None:
    """Let a small body come before its client is answered: the connection goes on then.

    containerd 1.6 hangs when it is answered before it has sent a blob. Go's servers, so registries, take as much
    (net/http server.go, maxPostHandlerReadBytes).
    """
    if (request.content_length or 0) > _LARGEST_REST_BYTES:
        return
    taken_bytes = 0
    with suppress(Exception):  # a client that has left is not told anything
        async with asyncio.timeout(_REST_PATIENCE_S):
            while taken_bytes <= _LARGEST_REST_BYTES and (piece := await request.content.readany()):
                taken_bytes += len(piece)
