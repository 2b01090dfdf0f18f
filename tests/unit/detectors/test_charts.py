from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid5

import pytest

from sidecar.detectors.charts import chart_events
from sidecar.model.event import Chart, Event, EventType
from sidecar.model.exchange import Client, Exchange, Facts, Outcome
from sidecar.model.names import Repository
from sidecar.model.operation import DYNAMIC, DeleteChart, DownloadChart, Operation, Other, Routes, UploadChart

ROUTES = Routes(chart_depth=DYNAMIC)
CHART = Chart(name="app", version="1.2.3", type="library", size_bytes=4711)
HELM = Client(address="10.1.2.3", operator="alice", user_agent="Helm/3.14.0")

UPLOAD = UploadChart("prj")
DOWNLOAD = DownloadChart("prj", "app-1.2.3.tgz")
DELETE = DeleteChart("prj", "app", "1.2.3")


def an_exchange(
    operation: Operation,
    *,
    status: int = 200,
    outcome: Outcome = Outcome.COMPLETED,
    chart: Chart | None = None,
    facts: Facts | None = None,
) -> Exchange:
    return Exchange(
        id=UUID(int=1),
        operation=operation,
        client=HELM,
        began_at=datetime(2026, 1, 2, 3, 4, 4, tzinfo=UTC),
        answered_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        status=status,
        outcome=outcome,
        chart=chart,
        facts=facts or Facts(),
        request_id="r1",
    )


def events(exchange: Exchange, routes: Routes = ROUTES) -> tuple[Event, ...]:
    found = chart_events(exchange, routes)
    assert all(type(exchange.operation) in event.type.about.operations for event in found)
    return found


def the_event(exchange: Exchange, routes: Routes = ROUTES) -> Event:
    (event,) = events(exchange, routes)
    return event


def test_upload_raises_one_push_with_all_that_is_known() -> None:
    event = the_event(an_exchange(UPLOAD, status=201, chart=CHART))
    assert event == Event(
        id=uuid5(UUID(int=1), "uploadChart:app:1.2.3"),
        type=EventType.CHART_PUSH,
        occurred_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        operator="alice",
        repository=Repository("prj", "app", "prj/app"),
        tag="1.2.3",
        tags=("1.2.3",),
        chart=replace(CHART, path="/prj/charts/app-1.2.3.tgz"),
        user_agent="Helm/3.14.0",
        request_id="r1",
    )


@pytest.mark.parametrize("status", [201, 202])
def test_upload_counts_when_it_was_accepted(status: int) -> None:
    assert events(an_exchange(UPLOAD, status=status, chart=CHART))


@pytest.mark.parametrize("status", [0, 301, 400, 401, 409, 413, 500, 507])
def test_refused_upload_raises_nothing(status: int) -> None:
    assert not events(an_exchange(UPLOAD, status=status, chart=CHART))


@pytest.mark.parametrize("outcome", list(Outcome))
def test_accepted_upload_counts_whatever_became_of_the_answer(outcome: Outcome) -> None:
    assert events(an_exchange(UPLOAD, status=201, chart=CHART, outcome=outcome))


def test_upload_without_a_chart_raises_nothing() -> None:
    assert not events(an_exchange(UPLOAD, status=201))


@pytest.mark.parametrize(
    ("tenant", "project", "name", "full_name"),
    [("prj", "prj", "", "prj"), ("org/team", "org", "team", "org/team"), ("", "library", "", "")],
)
def test_upload_of_a_chart_that_nobody_could_read_raises_an_event_without_its_name(
    tenant: str, project: str, name: str, full_name: str
) -> None:
    unnamed = Chart(name="", version="", type="", size_bytes=123)
    event = the_event(an_exchange(UploadChart(tenant), status=201, chart=unnamed))
    assert event.repository == Repository(project, name, full_name)
    assert (event.tag, event.tags, event.chart) == ("", (), unnamed)


def test_download_raises_one_pull() -> None:
    event = the_event(an_exchange(DOWNLOAD, chart=CHART))
    assert (event.type, event.repository.full_name, event.tag) == (EventType.CHART_PULL, "prj/app", "1.2.3")
    assert event.id == uuid5(UUID(int=1), "downloadChart:app:1.2.3")


@pytest.mark.parametrize("status", [206, 304, 307, 401, 404, 500])
def test_download_without_the_whole_file_raises_nothing(status: int) -> None:
    assert not events(an_exchange(DOWNLOAD, status=status, chart=CHART))


@pytest.mark.parametrize("outcome", [Outcome.CLIENT_GONE, Outcome.UPSTREAM_FAILED])
def test_download_cut_off_raises_nothing(outcome: Outcome) -> None:
    assert not events(an_exchange(DOWNLOAD, chart=CHART, outcome=outcome))


def test_download_is_named_by_its_bytes_before_its_file_name() -> None:
    odd = Chart(name="app-1.0.0", version="2", type="application", size_bytes=1)
    event = the_event(an_exchange(DownloadChart("prj", "app-1.0.0-2.tgz"), chart=odd))
    assert (event.repository.name, event.tag) == ("app-1.0.0", "2")


def test_unreadable_download_is_named_by_its_file_name() -> None:
    event = the_event(an_exchange(DownloadChart("prj", "app-1.0.0-2.tgz")))
    path = "/prj/charts/app-1.0.0-2.tgz"
    assert event.chart == Chart(name="app", version="1.0.0-2", type="", size_bytes=None, path=path)


def test_download_path_is_the_one_that_was_asked_for() -> None:
    event = the_event(an_exchange(DownloadChart("prj", "renamed-0.1.0.tgz"), chart=CHART))
    assert event.chart
    assert event.chart.path == "/prj/charts/renamed-0.1.0.tgz"


def test_delete_raises_one_delete_with_what_was_known_before() -> None:
    event = the_event(an_exchange(DELETE, facts=Facts(existed=True, chart=CHART)))
    assert event.type is EventType.CHART_DELETE
    assert event.chart == replace(CHART, path="/prj/charts/app-1.2.3.tgz")


def test_delete_of_which_nothing_was_learnt_is_named_by_its_url() -> None:
    event = the_event(an_exchange(DELETE))
    path = "/prj/charts/app-1.2.3.tgz"
    assert event.chart == Chart(name="app", version="1.2.3", type="", size_bytes=None, path=path)


def test_delete_of_what_was_not_there_raises_nothing() -> None:
    assert not events(an_exchange(DELETE, facts=Facts(existed=False)))


@pytest.mark.parametrize("status", [400, 401, 404, 500])
def test_refused_delete_raises_nothing(status: int) -> None:
    assert not events(an_exchange(DELETE, status=status, facts=Facts(existed=True, chart=CHART)))


def test_other_exchanges_raise_nothing() -> None:
    assert not events(an_exchange(Other(), chart=CHART))


@pytest.mark.parametrize(
    ("tenant", "full_name", "project", "path"),
    [
        ("", "app", "library", "/charts/app-1.2.3.tgz"),
        ("prj", "prj/app", "prj", "/prj/charts/app-1.2.3.tgz"),
        ("prj/team", "prj/team/app", "prj", "/prj/team/charts/app-1.2.3.tgz"),
    ],
)
def test_repository_and_path_follow_the_tenant(tenant: str, full_name: str, project: str, path: str) -> None:
    event = the_event(an_exchange(UploadChart(tenant), status=201, chart=CHART))
    assert (event.repository.full_name, event.repository.project) == (full_name, project)
    assert event.chart
    assert event.chart.path == path


def test_path_begins_with_the_context_path() -> None:
    event = the_event(an_exchange(UPLOAD, status=201, chart=CHART), Routes(chart_context_path="/helm"))
    assert event.chart
    assert event.chart.path == "/helm/prj/charts/app-1.2.3.tgz"


def test_the_same_exchange_has_the_same_event_id() -> None:
    exchange = an_exchange(UPLOAD, status=201, chart=CHART)
    assert events(exchange) == events(exchange)
    assert the_event(replace(exchange, id=UUID(int=2))).id != the_event(exchange).id
