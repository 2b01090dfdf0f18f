"""Exchange and Snapshot ⇒ Events and Changes; pure: no clock, no I/O, no settings but those handed in.

scopes          which part of the memory an exchange needs
artifacts       what one exchange with the registry means on its own
charts          what one exchange with the chart repository means
enriching       adds tags, size and platforms from memory
grouping        one event for one action
asking          whether a request belongs to a pull that is held
preparing       what a client fetched only to push something made of it
due             held events whose time is over
learning        what is remembered of an exchange in every mode
traces          what clients did a moment ago
rejections      what one refused write means on its own
refused_pushes  which refused requests are one push
"""

from datetime import datetime

from sidecar.detectors.charts import chart_events
from sidecar.detectors.grouping import Holds, exact, group
from sidecar.detectors.rejections import detect_rejection
from sidecar.model.changes import Detected
from sidecar.model.exchange import Exchange
from sidecar.model.memory import Snapshot
from sidecar.model.operation import DeleteChart, DownloadChart, Routes, UploadChart
from sidecar.quota.rules import Rejection

__all__ = ["detect"]


def detect(
    exchange: Exchange,
    snapshot: Snapshot,
    *,
    holds: Holds | None,
    routes: Routes,
    now: datetime,
    rejection: Rejection | None = None,
) -> Detected:
    """What an exchange raises now, and what is remembered of it.

    snapshot    of `scopes.scope_of` the exchange
    holds       None for exactly what Harbor would send
    now         traces later than this were written before the clock was set back
    rejection   the rejection recognised in the refusal of a write
    """
    if rejection:
        return detect_rejection(exchange, rejection, snapshot, grouped=holds is not None, routes=routes)
    if isinstance(exchange.operation, UploadChart | DownloadChart | DeleteChart):
        return Detected(chart_events(exchange, routes))
    return group(exchange, snapshot, holds, now=now) if holds else exact(exchange, snapshot, now=now)
