"""Exchange ⇒ Event; pure: no clock, no I/O, no settings but those handed in."""

from sidecar.detectors.charts import chart_events
from sidecar.detectors.grouping import Holds, exact, group
from sidecar.event import Event
from sidecar.exchange import Exchange
from sidecar.memory import Memory
from sidecar.operation import DeleteChart, DownloadChart, Routes, UploadChart

__all__ = ["detect"]


def detect(exchange: Exchange, memory: Memory, *, holds: Holds | None, routes: Routes) -> tuple[Event, ...]:
    """The events that an exchange raises now; `holds` is None for exactly what Harbor would send."""
    if isinstance(exchange.operation, UploadChart | DownloadChart | DeleteChart):
        return chart_events(exchange, routes)
    return group(exchange, memory, holds) if holds else exact(exchange, memory)
