"""A write that is forwarded only when it is admitted."""

from collections.abc import Mapping
from dataclasses import replace

import structlog

from sidecar.model.admission import AdmissionRequest, Denied, GatedOperation
from sidecar.model.exchange import Body, Facts
from sidecar.model.names import Digest
from sidecar.proxy.refusals import denial
from sidecar.proxy.relay import Upload
from sidecar.proxy.request_context import Observer, now

log = structlog.get_logger()


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
        operation = self.passage.operation
        assert isinstance(operation, GatedOperation)
        self.asked = AdmissionRequest(
            id=self.id,
            operation=operation,
            client=self.passage.client,
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
        try:
            answer = await self.hooks.admit(self.asked)
        except (
            Exception
        ):  # who decides also decides what its own faults mean: this is one that it did not see
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
            raise denial(answer)
