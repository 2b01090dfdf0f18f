"""What one exchange with the chart repository means: charts pushed, pulled and deleted.

A chart is identified by what the upstream stored, if that is known, otherwise by the
URL. An accepted upload that could not be parsed still raises an event, without names.
Sources: ChartMuseum pkg/chartmuseum/server/multitenant/handlers.go; Harbor v2.7.0
src/chartserver/reverse_proxy.go and src/core/api/chart_repository.go.
"""

from dataclasses import replace
from uuid import uuid5

from sidecar.charts.chartfile import chart_name_version
from sidecar.model.event import Chart, Event, EventType
from sidecar.model.exchange import Exchange, Outcome
from sidecar.model.operation import (
    DeleteChart,
    DownloadChart,
    Routes,
    UploadChart,
    chart_download_path,
    chart_repository_of,
)


def chart_events(exchange: Exchange, routes: Routes) -> tuple[Event, ...]:
    """The events of one exchange; none when it failed or did not concern a chart."""
    match exchange.operation:
        case UploadChart(tenant) if exchange.succeeded and exchange.chart:
            # ChartMuseum answers 201; the one behind older Harbor answered 202.
            return (_event(exchange, EventType.CHART_PUSH, exchange.chart, tenant, routes),)
        case DownloadChart(tenant) if exchange.status == 200 and exchange.outcome is Outcome.COMPLETED:
            return (_event(exchange, EventType.CHART_PULL, _chart_of(exchange), tenant, routes),)
        case DeleteChart(tenant) if exchange.succeeded and exchange.facts.existed is not False:
            # Object stores answer 200 even if nothing was there.
            return (_event(exchange, EventType.CHART_DELETE, _chart_of(exchange), tenant, routes),)
        case _:
            return ()


def _chart_of(exchange: Exchange) -> Chart:
    """The chart as far as it is known; type and size are unknown when only the URL names it."""
    known = exchange.chart or exchange.facts.chart
    if known:
        return known
    match exchange.operation:
        case DownloadChart(_, file_name):
            name, version = chart_name_version(file_name)
        case DeleteChart(_, name, version):
            pass
        case _:
            raise AssertionError(exchange.operation)
    return Chart(name=name, version=version, type="", size_bytes=None)


def _event(exchange: Exchange, kind: EventType, chart: Chart, tenant: str, routes: Routes) -> Event:
    return Event(
        id=uuid5(exchange.id, f"{kind}:{chart.name}:{chart.version}"),
        type=kind,
        occurred_at=exchange.answered_at,
        operator=exchange.client.operator,
        repository=chart_repository_of(tenant, chart.name, routes),
        tag=chart.version,
        tags=(chart.version,) if chart.version else (),
        chart=replace(chart, path=_download_path(exchange, chart, tenant, routes)),
        user_agent=exchange.client.user_agent,
        request_id=exchange.request_id,
    )


def _download_path(exchange: Exchange, chart: Chart, tenant: str, routes: Routes) -> str:
    """Below external_url; "" when the chart's name is not known."""
    match exchange.operation:
        case DownloadChart(_, file_name):
            pass
        case _:
            return path_of(chart, tenant, routes)
    return chart_download_path(tenant, file_name, routes)


def path_of(chart: Chart, tenant: str, routes: Routes) -> str:
    """The path of a chart's download, below external_url; "" when its name is not known."""
    return chart_download_path(tenant, f"{chart.name}-{chart.version}.tgz", routes) if chart.name else ""
