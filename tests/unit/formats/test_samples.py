import json
from uuid import UUID

import pytest

from sidecar.formats import documented
from sidecar.formats.samples import MARK, marked_sample, sample_of, samples_of
from sidecar.model.event import EventType
from sidecar.model.scan import ScanStatus
from tests.support.builders import START
from tests.unit.formats.samples import CHART_TYPES, CONTEXT, IMAGE_TYPES, SCAN_TYPES


@pytest.mark.parametrize("kind", list(EventType))
def test_usual_sample_comes_first_and_is_of_its_type(kind: EventType) -> None:
    usual, *others = samples_of(kind)
    assert usual == sample_of(kind)
    assert {event.type for event in (usual, *others)} == {kind}
    assert (usual.chart is not None) is (kind in CHART_TYPES)


@pytest.mark.parametrize("kind", list(EventType))
def test_samples_show_what_may_be_missing_and_what_needs_care(kind: EventType) -> None:
    events = samples_of(kind)
    assert "" in {event.operator for event in events}
    assert any('"' in event.operator for event in events)
    shapes = {frozenset(documented.contents_of(event, CONTEXT)) for event in events}
    # platforms, or none; a refused image, or chart
    assert len(shapes) == (2 if kind in {*IMAGE_TYPES, EventType.QUOTA_EXCEED} else 1)


def test_sample_belongs_to_the_project_that_is_asked_for() -> None:
    payload = json.loads(documented.encode(sample_of(EventType.IMAGE_PUSH, project="shop"), CONTEXT).body)
    assert payload["events"][0]["full_name"] == "shop/repo1"


@pytest.mark.parametrize("kind", list(EventType))
def test_scan_events_and_no_others_have_a_scan(kind: EventType) -> None:
    assert {event.scan is not None for event in samples_of(kind)} == {kind in SCAN_TYPES}


def test_samples_of_a_completed_scan_find_much_or_nothing() -> None:
    usual, awkward, clean = (event.scan for event in samples_of(EventType.SCAN_COMPLETED))
    assert usual
    assert (usual.total, usual.fixable, len(usual.vulnerabilities)) == (3, 2, 3)
    assert usual.vulnerabilities[0].fix_url
    assert awkward
    assert '"' in awkward.vulnerabilities[0].description
    assert clean
    assert clean.total == len(clean.vulnerabilities) == 0


def test_samples_of_a_failed_scan_say_why_or_were_stopped() -> None:
    scans = [event.scan for event in samples_of(EventType.SCAN_FAILED) if event.scan]
    assert [scan.status for scan in scans] == [ScanStatus.ERROR, ScanStatus.ERROR, ScanStatus.STOPPED]
    assert [bool(scan.error) for scan in scans] == [True, True, False]
    assert '"' in scans[1].error


@pytest.mark.parametrize("kind", list(EventType))
def test_marked_samples_carry_what_their_type_has(kind: EventType) -> None:
    event = marked_sample(kind, project="prj", id=UUID(int=7), at=START)
    assert (event.id, event.type, event.occurred_at) == (UUID(int=7), kind, START)
    assert (event.tag, event.tags, event.operator) == (MARK, (MARK,), MARK)
    assert event.repository.full_name == f"prj/{MARK}"
    assert (event.chart is not None) == (kind in CHART_TYPES)
    assert bool(event.digest) == bool(event.size_bytes) == (event.chart is None)
    assert (event.scan is not None) == (kind in SCAN_TYPES)
    assert bool(event.details) == (kind is EventType.QUOTA_EXCEED)


def test_marked_chart_has_a_version_and_a_scan_ends_when_it_is_sent() -> None:
    chart = marked_sample(EventType.CHART_PUSH, project="prj", id=UUID(int=7), at=START).chart
    assert chart
    assert (chart.name, chart.version) == (MARK, f"0.0.0-{MARK}")
    assert chart.path == f"/prj/charts/{MARK}-0.0.0-{MARK}.tgz"
    scan = marked_sample(EventType.SCAN_COMPLETED, project="prj", id=UUID(int=7), at=START).scan
    assert scan
    assert scan.ended_at == START
