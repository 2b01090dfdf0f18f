"""Charts that are pushed, pulled and deleted: relayed as they come, and named once the upstream has answered.

What a client wrote is read in a parser process, and never before the upstream has taken it. Where its
bytes are not plain, ChartMuseum's own index tells what it stored; where nobody tells, the event is raised
with what the path and the headers say.
"""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final

import structlog
from aiohttp import ClientResponse

from sidecar.charts.chartfile import chart_name_version
from sidecar.model.event import Chart
from sidecar.model.exchange import Exchange, Outcome
from sidecar.model.names import Digest
from sidecar.model.operation import DeleteChart, DownloadChart, UploadChart
from sidecar.proxy.chart_copy import LARGEST_CHART_BYTES, ChartCopy
from sidecar.proxy.chart_facts import ChartLookUps
from sidecar.proxy.headers import text_of
from sidecar.proxy.reads import Read
from sidecar.proxy.relay import BodyCopy, Upload
from sidecar.proxy.writes import IntendedWrite

log = structlog.get_logger()

#: Several threads that search would keep the event loop from its turn.
_ONE_AT_A_TIME: Final = ThreadPoolExecutor(1, thread_name_prefix="chart-hashes")


class ChartPost(IntendedWrite):
    """What it may hold is noted, as hashes, before its last bytes let the upstream keep it."""

    _is_whole = False  #: whether all of it has come

    async def request_body(self) -> Upload | None:
        self._copy = ChartCopy(self.context.share, self._content_type)
        await self.ask()
        request = self.context.request
        if not request.body_exists:
            return None
        return Upload(rest=request.content, tap=self, say_continue=self.context.say_continue)

    def feed(self, piece: bytes) -> None:
        self._copy.feed(piece)

    async def before_last(self) -> None:
        self._is_whole = True
        loop = asyncio.get_running_loop()
        sizes = await loop.run_in_executor(_ONE_AT_A_TIME, self._copy.sizes_by_digest)
        await self.ask_again(chart_sizes=sizes)

    async def saw_success(self, exchange: Exchange) -> None:
        await self.tasks.see_through(self.recorded(self._name_and_record(exchange)), name="record")

    async def refused(self, exchange: Exchange) -> Exchange:
        """With the chart's name where the upstream had let the client in: it failed at keeping the chart."""
        if exchange.status < 500 or not self._is_whole:
            return exchange
        read = await self._parsed("chart-upload", self._copy.content)
        return replace(exchange, chart=_chart_of(read["chart"])) if read and read["chart"] else exchange

    async def _name_and_record(self, exchange: Exchange) -> None:
        try:
            chart = await self._chart()
        except Exception:  # a fault of ours: the event is raised without its names
            log.exception("chart.not_named", request_id=self.request_id)
            chart = _unnamed(None)
        await self.hooks.record(replace(exchange, chart=chart))

    async def _chart(self) -> Chart | None:
        """What was uploaded, as ChartMuseum has it; None for a form without a chart."""
        content, sizes = self._copy.content, self.asked.chart_sizes
        read = await self._parsed("chart-upload", content)
        if read and not read["chart"]:
            return None
        seen = read["chart"] if read else None
        if seen and seen["is_plain"]:
            return _chart_of(seen)
        part = None if seen else await self._parsed("chart-part", content)
        exact = seen or part
        digests = {Digest(f"sha256:{exact['digest']}"): exact["size_bytes"]} if exact else sizes
        operation = self.context.operation
        assert isinstance(operation, UploadChart)
        look_ups = ChartLookUps.of(self.context, self.hooks)
        guess = _chart_of(seen) if seen else None
        listed = await look_ups.stored(self.context.path, digests, guess)
        if listed:
            return replace(listed.chart, size_bytes=digests[listed.digest])
        return guess or self._as_sent(part)

    def _as_sent(self, part: Mapping[str, Any] | None) -> Chart:
        """What is known of a chart that nobody could read: its size, and what its file was called."""
        if part is None:
            return _unnamed(None if self._copy.is_form else self._copy.size_bytes)
        name, version = chart_name_version(part["file_name"])
        return Chart(name=name if version else "", version=version, type="", size_bytes=part["size_bytes"])

    async def _parsed(self, kind: str, content: bytearray | None) -> dict[str, Any] | None:
        if content is None:
            return None
        options = {
            "content_type": self._content_type,
            "fields": list(self.context.settings.chart_form_fields),
        }
        return await self.hooks.parse(kind, content, options, asked_by=self.context.client.address)

    @property
    def _content_type(self) -> str:
        return text_of(self.context.headers, b"content-type")


class ChartDelete(IntendedWrite):
    async def request_body(self) -> Upload | None:
        operation = self.context.operation
        assert isinstance(operation, DeleteChart)
        look_ups = ChartLookUps.of(self.context, self.hooks)
        facts = await look_ups.within_time(look_ups.before_delete_chart(operation))
        await self.ask(facts=facts)
        return self.context.streamed_body()


class ChartDownloaded(Read):
    _copy: BodyCopy | None = None
    _size_bytes = 0

    def begin_copy(self, answer: ClientResponse) -> None:
        if not answer.headers.get("Content-Encoding"):
            self._copy = BodyCopy(LARGEST_CHART_BYTES, self.context.share)
            self.saw_piece = self._feed

    def _feed(self, piece: bytes) -> None:
        assert self._copy
        self._size_bytes += len(piece)
        self._copy.feed(piece)

    async def finish(self, exchange: Exchange) -> None:
        if exchange.outcome is Outcome.COMPLETED:
            exchange = replace(exchange, chart=await self._chart())
        await self.hooks.record(exchange)

    async def _chart(self) -> Chart | None:
        """What was downloaded; None where only its file name is known."""
        operation = self.context.operation
        assert isinstance(operation, DownloadChart)
        content = self._copy.buffer if self._copy else None
        read = None
        if content:
            read = await self.hooks.parse("chart", content, {}, asked_by=self.context.client.address)
        if read and read["chart"]["is_plain"]:
            return _chart_of(read["chart"])
        look_ups = ChartLookUps.of(self.context, self.hooks)
        if listed := await look_ups.named(operation.tenant, operation.file_name):
            return replace(listed.chart, size_bytes=self._size_bytes or None)
        return _chart_of(read["chart"]) if read else None


def _chart_of(read: Mapping[str, Any]) -> Chart:
    return Chart(name=read["name"], version=read["version"], type=read["type"], size_bytes=read["size_bytes"])


def _unnamed(size_bytes: int | None) -> Chart:
    return Chart(name="", version="", type="", size_bytes=size_bytes)
