"""Settings of harbor.yml ⇒ the values that each stage is given. Pure."""

import ssl
from datetime import timedelta

from sidecar.config import Settings, UpstreamSettings
from sidecar.detectors.grouping import Holds
from sidecar.dispatcher.dispatcher import DispatcherSettings
from sidecar.model.defaults import CHART_FORM_FIELD
from sidecar.model.operation import Routes
from sidecar.proxy.interface import ProxySettings
from sidecar.queue.schedule import RetrySchedule
from sidecar.recording.recorder import RecorderSettings
from sidecar.upstreams.client import UpstreamClient, tls_context


def routes_of(settings: Settings) -> Routes:
    charts = settings.chart_repository
    return Routes(
        default_project=settings.events.default_project,
        chart_depth=charts.depth if charts else 0,
        chart_context_path=charts.context_path if charts else "",
    )


def recorder_settings(settings: Settings) -> RecorderSettings:
    events = settings.events
    return RecorderSettings(
        hostname=settings.hostname,
        external_url=settings.external_url,
        routes=routes_of(settings),
        grouped=events.mode == "grouped",
        holds=Holds(pull=timedelta(seconds=events.pull_hold_s), push=timedelta(seconds=events.push_hold_s)),
        enabled=settings.notification.enabled,
        ignore_user_agents=events.ignore_user_agents,
        projects=settings.projects,
        policies=settings.policies,
        several_workers=settings.workers > 1,
        rejections=settings.rejections,
    )


def proxy_settings(settings: Settings) -> ProxySettings:
    charts = settings.chart_repository
    return ProxySettings(
        registry_url=settings.registry.url,
        chart_repository_url=charts.url if charts else None,
        routes=routes_of(settings),
        trusted_proxies=settings.trusted_proxies,
        chart_form_fields=tuple(dict.fromkeys((CHART_FORM_FIELD, charts.form_field)))
        if charts
        else (CHART_FORM_FIELD,),
        registry_tls=_tls(settings.registry),
        chart_repository_tls=_tls(charts) if charts else True,
        connect_timeout_s=settings.connect_timeout_s,
        look_up_timeout_s=settings.look_up_timeout_s,
        limits=settings.limits,
    )


def dispatcher_settings(settings: Settings) -> DispatcherSettings:
    notification = settings.notification
    return DispatcherSettings(
        schedule=RetrySchedule(
            max_failures=notification.max_retry,
            waits_s=notification.retry_waits_s,
        ),
        timeout_s=notification.timeout_s,
        egress=settings.egress,
        concurrency=notification.target_concurrency,
    )


def registry_client(settings: Settings) -> UpstreamClient:
    return _upstream_client(settings.registry)


def charts_client(settings: Settings) -> UpstreamClient | None:
    return _upstream_client(settings.chart_repository) if settings.chart_repository else None


def _tls(upstream: UpstreamSettings) -> ssl.SSLContext | bool:
    return tls_context(upstream.ca_file) if upstream.ca_file else True


def _upstream_client(upstream: UpstreamSettings) -> UpstreamClient:
    return UpstreamClient(
        url=upstream.url,
        username=upstream.username,
        password=upstream.password,
        ca_file=upstream.ca_file,
    )
