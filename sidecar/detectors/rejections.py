"""PROJECT QUOTA EXCEED: what one refused write means, and whether its push has raised the event already."""

from dataclasses import replace
from uuid import uuid5

from sidecar.detectors.artifacts import digest_of
from sidecar.detectors.charts import path_of
from sidecar.detectors.refused_pushes import goes_on
from sidecar.model.changes import Detected
from sidecar.model.event import Chart, Event, EventType
from sidecar.model.exchange import Exchange
from sidecar.model.memory import Snapshot
from sidecar.model.names import Repository
from sidecar.model.operation import (
    PutManifest,
    Routes,
    UploadChart,
    UploadProvenance,
    UploadStep,
    WriteBlob,
    chart_repository_of,
)
from sidecar.quota.rules import Rejection


def detect_rejection(
    exchange: Exchange, rejection: Rejection, snapshot: Snapshot, *, grouped: bool, routes: Routes
) -> Detected:
    """The event of a refused write, unless its push has raised one already.

    grouped   False: as Harbor, one event for each request that it counts; PATCH of an upload does not count
              (Harbor src/server/middleware/quota)
    """
    event = rejection_event(exchange, rejection, routes)
    if grouped:
        is_known, changes = goes_on(exchange, event, snapshot, routes)
        return Detected(() if is_known else (event,), changes)
    operation = exchange.operation
    is_counted = not isinstance(operation, WriteBlob) or operation.step is not UploadStep.PIECE
    return Detected((event,) if is_counted else ())


def rejection_event(exchange: Exchange, rejection: Rejection, routes: Routes) -> Event:
    bare = Event(
        id=uuid5(exchange.id, EventType.QUOTA_EXCEED),
        type=EventType.QUOTA_EXCEED,
        occurred_at=exchange.answered_at,
        operator=exchange.client.operator,
        repository=_repository(exchange, routes),
        user_agent=exchange.client.user_agent,
        request_id=exchange.request_id,
        details=rejection.details,
    )
    match exchange.operation:
        case PutManifest(_, reference):
            tag = reference.tag or ""
            digest = digest_of(exchange, reference) or ""
            return replace(bare, digest=digest, tag=tag, tags=(tag,) if tag else ())
        case UploadChart(tenant) if exchange.chart:
            return _of_chart(bare, exchange.chart, tenant, routes)
        case _:
            return bare


def _of_chart(bare: Event, chart: Chart, tenant: str, routes: Routes) -> Event:
    """With the path that the chart would have, which distinguishes it from an image."""
    tags = (chart.version,) if chart.version else ()
    chart = replace(chart, path=path_of(chart, tenant, routes))
    return replace(bare, tag=chart.version, tags=tags, chart=chart)


def _repository(exchange: Exchange, routes: Routes) -> Repository:
    match exchange.operation:
        case WriteBlob(repository) | PutManifest(repository):
            return repository
        case UploadChart(tenant) | UploadProvenance(tenant):
            return chart_repository_of(tenant, exchange.chart.name if exchange.chart else "", routes)
        case _:
            raise AssertionError(exchange.operation)
