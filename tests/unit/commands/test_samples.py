from sidecar.commands.samples import MARK, SAMPLE_TYPES, sample_event
from sidecar.event import EventType
from tests.support.builders import START

_SCANS = {EventType.SCAN_COMPLETED, EventType.SCAN_FAILED}


def test_all_are_the_types_that_happen() -> None:
    assert set(EventType) - set(SAMPLE_TYPES) == _SCANS


def test_samples_are_marked_and_each_is_new() -> None:
    events = [sample_event(kind, project="prj", at=START) for kind in [*EventType] * 2]
    assert len({event.id for event in events}) == len(events)
    assert {(event.tag, event.repository.full_name) for event in events} == {(MARK, f"prj/{MARK}")}


def test_samples_carry_what_their_type_has() -> None:
    for kind in EventType:
        event = sample_event(kind, project="prj", at=START)
        assert (event.chart is not None) == ("Chart" in kind)
        assert bool(event.digest) == (event.chart is None)
        assert (event.scan is not None) == (kind in _SCANS)
        assert bool(event.details) == (kind is EventType.QUOTA_EXCEED)
