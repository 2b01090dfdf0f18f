from typing import get_args

import pytest

from sidecar.app.metrics import Metrics, operation_name, status_class
from sidecar.model.delivery import Accepted, DeliveryState, Rejected, Unreachable
from sidecar.model.event import EventType
from sidecar.model.names import Reference, Repository, Tag
from sidecar.model.operation import Operation, Other, PutManifest
from sidecar.parsing.pool import Reading

PUT = PutManifest(Repository("prj", "app", "prj/app"), Reference(tag=Tag("1")))


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def _value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"sidecar_{name}", labels)


def test_requests(metrics: Metrics) -> None:
    metrics.request_finished(PUT, 201, 0.2)
    metrics.request_finished(PUT, 404, 0.3)
    metrics.request_finished(Other(), 0, 1.0)
    assert _value(metrics, "requests_total", operation="put_manifest", status="2xx") == 1
    assert _value(metrics, "requests_total", operation="put_manifest", status="4xx") == 1
    assert _value(metrics, "requests_total", operation="other", status="none") == 1
    assert _value(metrics, "request_duration_seconds_sum", operation="put_manifest") == 0.5


def test_deliveries_and_attempts(metrics: Metrics) -> None:
    for result in (Accepted(200), Rejected(500), Rejected(404), Unreachable("refused")):
        metrics.attempt_finished(result, 0.5)
    metrics.delivery_ended(DeliveryState.DELIVERED)
    metrics.delivery_ended(DeliveryState.CANCELLED, 3)
    assert _value(metrics, "attempts_total", result="accepted") == 1
    assert _value(metrics, "attempts_total", result="rejected") == 2
    assert _value(metrics, "attempts_total", result="unreachable") == 1
    assert _value(metrics, "attempt_duration_seconds_count") == 4
    assert _value(metrics, "deliveries_total", result="delivered") == 1
    assert _value(metrics, "deliveries_total", result="cancelled") == 3


def test_events(metrics: Metrics) -> None:
    metrics.event_recorded(EventType.IMAGE_PUSH)
    metrics.events_lost(2)
    assert _value(metrics, "events_total", event_type="pushImage") == 1
    assert _value(metrics, "events_lost_total") == 2


def test_series_begin_at_zero(metrics: Metrics) -> None:
    assert all(_value(metrics, "events_total", event_type=kind) == 0 for kind in EventType)
    assert _value(metrics, "deliveries_total", result="given_up") == 0
    assert _value(metrics, "attempts_total", result="unreachable") == 0
    assert _value(metrics, "config_reloads_total", result="failed") == 0


def test_reloads(metrics: Metrics) -> None:
    metrics.config_reloaded("failed")
    assert _value(metrics, "config_reloads_total", result="failed") == 1
    assert (_value(metrics, "config_reload_timestamp_seconds", result="failed") or 0) > 1_700_000_000
    assert _value(metrics, "config_reload_timestamp_seconds", result="ok") is None


def test_what_is_watched_is_asked_at_each_scrape(metrics: Metrics) -> None:
    waiting = [1.0]
    metrics.watch(
        deliveries_waiting=lambda: waiting[0],
        oldest_delivery_age_s=lambda: 7.0,
        intents_open=lambda: 3,
        events_held=lambda: 0,
        events_in_memory=lambda: 3,
        files_put_aside=lambda: 0,
        store_up=lambda: True,
        targets_disabled=lambda: 2,
    )
    assert b"sidecar_deliveries_waiting 1.0" in metrics.exposition()[0]
    waiting[0] = 5.0
    text, content_type = metrics.exposition()
    for line in (
        b"sidecar_deliveries_waiting 5.0",
        b"sidecar_delivery_oldest_age_seconds 7.0",
        b"sidecar_intents_open 3.0",
        b"sidecar_events_held 0.0",
        b"sidecar_events_in_memory 3.0",
        b"sidecar_store_up 1.0",
        b"sidecar_targets_disabled 2.0",
    ):
        assert line in text
    assert content_type.startswith("text/plain")


def test_two_of_them_do_not_share(metrics: Metrics) -> None:
    Metrics().events_lost()
    assert _value(metrics, "events_lost_total") == 0


def test_every_name_begins_with_the_programs_own(metrics: Metrics) -> None:
    families = list(metrics.registry.collect())
    assert families
    assert all(family.name.startswith("sidecar_") for family in families)


def test_every_operation_has_a_name_of_its_own() -> None:
    names = {operation_name(kind.__new__(kind)) for kind in get_args(Operation)}
    assert len(names) == len(get_args(Operation))
    assert {"put_manifest", "download_chart", "other"} < names


@pytest.mark.parametrize(
    ("status", "name"), [(0, "none"), (99, "none"), (100, "1xx"), (204, "2xx"), (599, "5xx"), (600, "none")]
)
def test_status_class(status: int, name: str) -> None:
    assert status_class(status) == name


def test_parser_jobs_are_counted_by_kind_and_result(metrics: Metrics) -> None:
    metrics.was_read("chart-index", Reading.EXCEEDED)
    assert _value(metrics, "parser_jobs_total", kind="chart-index", result="exceeded") == 1
    assert _value(metrics, "parser_jobs_total", kind="chart-index", result="read") == 0
