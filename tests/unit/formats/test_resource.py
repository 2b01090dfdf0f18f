from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from sidecar.formats.resource import go_time, resource_url_of, tag_of, unix_milliseconds, unix_seconds
from sidecar.model.event import EventType
from sidecar.model.names import Repository
from tests.unit.formats.samples import CHART_TYPES, CONTEXT, DIGEST, an_event, at

HOST = CONTEXT.hostname


@pytest.mark.parametrize("kind", [EventType.IMAGE_PUSH, EventType.IMAGE_PULL, EventType.QUOTA_EXCEED])
def test_other_tags_of_a_digest_do_not_become_the_tag(kind: EventType) -> None:
    event = an_event(kind, tag="", tags=("v1", "latest"))
    assert not tag_of(event)
    assert resource_url_of(event, CONTEXT) == f"{HOST}/prj/app@{DIGEST}"


def test_delete_by_digest_is_known_by_its_first_tag() -> None:
    event = an_event(EventType.IMAGE_DELETE, tag="", tags=("v1", "latest"))
    assert tag_of(event) == "v1"
    assert resource_url_of(event, CONTEXT) == f"{HOST}/prj/app:v1"


def test_delete_of_an_untagged_image_is_known_by_its_digest() -> None:
    event = an_event(EventType.IMAGE_DELETE, tag="")
    assert resource_url_of(event, CONTEXT) == f"{HOST}/prj/app@{DIGEST}"


def test_image_has_no_scheme_and_a_tag_after_a_colon() -> None:
    assert resource_url_of(an_event(), CONTEXT) == f"{HOST}/prj/app:v1"


def test_one_component_repository_is_written_as_clients_pull_it() -> None:
    assert resource_url_of(an_event(repository="busybox"), CONTEXT) == f"{HOST}/busybox:v1"


def test_rejected_layer_is_known_by_its_repository() -> None:
    event = an_event(EventType.QUOTA_EXCEED, tag="", digest="")
    assert resource_url_of(event, CONTEXT) == f"{HOST}/prj/app"


@pytest.mark.parametrize("kind", CHART_TYPES)
def test_chart_is_known_by_its_download(kind: EventType) -> None:
    url = resource_url_of(an_event(kind), CONTEXT)
    assert url == "https://registry.example.com/prj/charts/web-1.2.3.tgz"


def test_refused_chart_is_known_by_where_it_would_be() -> None:
    chart = an_event(EventType.CHART_PUSH)
    refused = an_event(
        EventType.QUOTA_EXCEED, repository="prj/web", tag="1.2.3", digest="", chart=chart.chart
    )
    assert resource_url_of(refused, CONTEXT) == resource_url_of(chart, CONTEXT)


@pytest.mark.parametrize(
    ("repository", "url"),
    [(Repository("prj", "", "prj"), f"{HOST}/prj"), (Repository("library", "", ""), HOST)],
)
def test_chart_that_nobody_could_read_is_known_by_where_it_was_sent(repository: Repository, url: str) -> None:
    event = an_event(EventType.QUOTA_EXCEED, tag="", digest="")
    assert resource_url_of(replace(event, repository=repository), CONTEXT) == url


def test_times_are_cut_to_whole_units() -> None:
    assert unix_seconds(at(1_678_082_303.999)) == 1_678_082_303
    assert unix_milliseconds(datetime(2023, 3, 6, 5, 58, 23, 999_999, tzinfo=UTC)) == 1_678_082_303_999


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2023, 4, 3, 6, 12, 47, tzinfo=UTC), "2023-04-03T06:12:47Z"),
        (datetime(2021, 3, 16, 7, 42, 43, 132_206, tzinfo=UTC), "2021-03-16T07:42:43.132206Z"),
        (datetime(2021, 3, 16, 7, 42, 43, 500_000, tzinfo=UTC), "2021-03-16T07:42:43.5Z"),
        (datetime(2021, 3, 16, 8, 0, tzinfo=timezone(timedelta(hours=2))), "2021-03-16T06:00:00Z"),
    ],
)
def test_time_as_go_writes_it(moment: datetime, text: str) -> None:
    assert go_time(moment) == text
