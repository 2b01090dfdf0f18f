"""Exchange ⇒ Event; pure: no clock, no I/O, no settings but those handed in.

artifacts       what an exchange with the registry says on its own
charts          what an exchange with the chart repository says
grouping        one event for one thing done
asking          whether a request belongs to a pull that is held
preparing       what a client fetched only to push something made of it
enriching       tags, size and platforms, out of what is remembered
rejections      what a refused write says on its own
refused_pushes  which refused requests are one push
"""

from sidecar.detectors.charts import chart_events
from sidecar.detectors.grouping import Holds, exact, group
from sidecar.detectors.rejections import rejection_events
from sidecar.model.event import Event
from sidecar.model.exchange import Exchange
from sidecar.model.memory import Memory
from sidecar.model.operation import DeleteChart, DownloadChart, Routes, UploadChart
from sidecar.quota.rules import Rejection

__all__ = ["detect"]


def detect(
    exchange: Exchange,
    memory: Memory,
    *,
    holds: Holds | None,
    routes: Routes,
    rejection: Rejection | None = None,
) -> tuple[Event, ...]:
    """The events that an exchange raises now; `holds` is None for exactly what Harbor would send.

    rejection   what was recognised in the refusal of a write
    """
    if rejection:
        return rejection_events(exchange, rejection, memory, grouped=holds is not None, routes=routes)
    if isinstance(exchange.operation, UploadChart | DownloadChart | DeleteChart):
        return chart_events(exchange, routes)
    return group(exchange, memory, holds) if holds else exact(exchange, memory)
