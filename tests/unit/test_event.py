import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.event import EventType, parse_event_type


@pytest.mark.parametrize("kind", list(EventType))
def test_either_spelling_is_understood(kind: EventType) -> None:
    assert parse_event_type(kind.value) is kind
    assert parse_event_type(kind.harbor2) is kind


def test_the_nine_events_have_harbors_names() -> None:
    assert {kind.value: kind.harbor2 for kind in EventType} == {
        "pushImage": "PUSH_ARTIFACT",
        "pullImage": "PULL_ARTIFACT",
        "deleteImage": "DELETE_ARTIFACT",
        "uploadChart": "UPLOAD_CHART",
        "downloadChart": "DOWNLOAD_CHART",
        "deleteChart": "DELETE_CHART",
        "scanningCompleted": "SCANNING_COMPLETED",
        "scanningFailed": "SCANNING_FAILED",
        "projectQuota": "QUOTA_EXCEED",
    }


@pytest.mark.parametrize(
    "text", ["", "pushimage", "PUSH_ARTIFACT ", "IMAGE PUSH", "QUOTA_WARNING", "REPLICATION"]
)
def test_other_words_are_no_event_type(text: str) -> None:
    assert parse_event_type(text) is None


@given(st.text())
def test_any_text_is_an_event_type_or_none(text: str) -> None:
    kind = parse_event_type(text)
    assert kind is None or text in {kind.value, kind.harbor2}
