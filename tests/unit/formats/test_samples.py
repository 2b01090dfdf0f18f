import json

import pytest

from sidecar.event import EventType
from sidecar.formats import documented
from sidecar.formats.samples import sample_of, samples_of
from tests.unit.formats.samples import CHART_TYPES, CONTEXT


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
    assert len(shapes) == (1 if kind in CHART_TYPES else 2)  # platforms, or none


def test_sample_belongs_to_the_project_that_is_asked_for() -> None:
    payload = json.loads(documented.encode(sample_of(EventType.IMAGE_PUSH, project="shop"), CONTEXT).body)
    assert payload["events"][0]["full_name"] == "shop/repo1"
