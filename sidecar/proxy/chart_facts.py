"""What the chart repository itself says of its charts, asked with the client's own rights.

A chart's bytes are a hint to its name: where they are not plain, the index of ChartMuseum tells what it
has stored. Its answers hold what clients wrote, so they are read in a parser process. As in `facts`:
whatever cannot be learnt is left out.
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import quote

from sidecar.model.errors import UpstreamUnavailable
from sidecar.model.event import Chart
from sidecar.model.names import Digest, encoded_part
from sidecar.model.operation import DeleteChart, chart_api_path, chart_download_path
from sidecar.proxy.chart_copy import LARGEST_CHART_BYTES
from sidecar.proxy.facts import LookUps
from sidecar.proxy.upstream import FAULTS

_LARGEST_INDEX_BYTES: Final = 20 * 1024 * 1024
_LARGEST_ENTRY_BYTES: Final = 1024 * 1024
#: ChartMuseum lists what was uploaded a moment ago only later.
_LISTED_AFTER_S: Final = (0.0, 0.05, 0.2, 0.5, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """An entry of the index."""

    chart: Chart  #: its size is not in the index
    digest: Digest


class ChartLookUps(LookUps):
    """The look-ups of one exchange with the chart repository."""

    async def stored(
        self, path: str, digests: Collection[Digest], guess: Chart | None = None
    ) -> Listed | None:
        """What the index has of a file with one of these digests; None when it has none in time.

        path   where it was uploaded to; a GET of it answers with the index
        guess  what the file seems to be: its own entry is asked for first
        """
        try:
            async with asyncio.timeout(self.timeout_s):
                for wait_s in _LISTED_AFTER_S:
                    await asyncio.sleep(wait_s)
                    if found := await self._stored_now(path, digests, guess):
                        return found
        except TimeoutError:
            pass
        return None

    async def _stored_now(self, path: str, digests: Collection[Digest], guess: Chart | None) -> Listed | None:
        wanted = {"digests": list(map(encoded_part, digests))}
        if guess:
            entry = f"{path}/{quote(guess.name, safe='+~')}/{quote(guess.version, safe='+~')}"
            if found := await self._listed(entry, wanted, limit_bytes=_LARGEST_ENTRY_BYTES):
                return found
        return await self._listed(path, wanted, limit_bytes=_LARGEST_INDEX_BYTES)

    async def named(self, tenant: str, file_name: str) -> Listed | None:
        """What the index has under this file name."""
        try:
            async with asyncio.timeout(self.timeout_s):
                path = chart_api_path(tenant, routes=self.routes)
                return await self._listed(path, {"file_name": file_name}, limit_bytes=_LARGEST_INDEX_BYTES)
        except TimeoutError:
            return None

    async def _listed(self, path: str, wanted: Mapping[str, Any], *, limit_bytes: int) -> Listed | None:
        if not self.share.take(limit_bytes):
            return None
        try:
            return await self._read_listed(path, wanted, limit_bytes=limit_bytes)
        finally:
            self.share.release(limit_bytes)

    async def _read_listed(self, path: str, wanted: Mapping[str, Any], *, limit_bytes: int) -> Listed | None:
        answer = await self.ask(path, limit_bytes=limit_bytes)
        if not answer or answer.status != 200 or not answer.content:
            return None
        read = await self.hooks.parse("chart-index", answer.content, wanted, asked_by=self.asked_by)
        found = read["found"] if read else None
        if not found:
            return None
        return Listed(
            chart=Chart(name=found["name"], version=found["version"], type=found["type"], size_bytes=None),
            digest=Digest(f"sha256:{found['digest']}"),
        )

    async def before_delete_chart(self, operation: DeleteChart) -> None:
        """The chart that a DELETE takes away.

        ChartMuseum deletes the file of that name, whatever stands in it: `a` in version `b-1.0.0` is
        `a-b` in version `1.0.0` as well.
        """
        file_name = f"{operation.name}-{operation.version}.tgz"
        target = chart_download_path(operation.tenant, file_name, self.routes)
        entry = chart_api_path(operation.tenant, operation.name, operation.version, routes=self.routes)
        wanted = {"file_name": file_name}
        if listed := await self._listed(entry, wanted, limit_bytes=_LARGEST_ENTRY_BYTES):
            self.facts = replace(self.facts, existed=True, chart=listed.chart)
        status, size_bytes = await self._size_of(target)
        if status not in {200, 404}:
            return
        self.facts = replace(self.facts, existed=status == 200)
        if status == 404:
            return
        if not listed:
            path = chart_api_path(operation.tenant, routes=self.routes)
            listed = await self._listed(path, wanted, limit_bytes=_LARGEST_INDEX_BYTES)
        if listed:
            self.facts = replace(self.facts, chart=replace(listed.chart, size_bytes=size_bytes))

    async def _size_of(self, target: str) -> tuple[int, int | None]:
        """Status and size of a file, which is counted and not kept; the size is None when it is too large."""
        try:
            answer = await self.upstream.send(self._question(target))
        except UpstreamUnavailable:
            return 0, None
        size_bytes = 0
        try:
            while size_bytes <= LARGEST_CHART_BYTES and (piece := await answer.content.readany()):
                size_bytes += len(piece)
        except FAULTS:
            return answer.status, None
        finally:
            answer.close()
        return answer.status, size_bytes if size_bytes <= LARGEST_CHART_BYTES else None
