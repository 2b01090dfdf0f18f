import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.event import (
    IN_ALL,
    NOT_YET,
    OF_HARBOR_ALONE,
    EventType,
    Shape,
    of_harbor_alone,
    parse_event_type,
)
from sidecar.model.operation import WriteBlob

NINE = {
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


@pytest.mark.parametrize("kind", list(EventType))
def test_either_spelling_is_understood(kind: EventType) -> None:
    assert parse_event_type(kind.value) is kind
    assert parse_event_type(kind.harbor2) is kind
    assert parse_event_type(kind.about.page) is kind


@pytest.mark.parametrize("field", ["harbor2", "page", "cloudevents", "title", "meaning"])
def test_no_two_events_have_one_name(field: str) -> None:
    names = [getattr(kind.about, field) for kind in EventType]
    assert all(names)
    assert len(set(names)) == len(names)


def test_what_happens_is_raised_by_some_operation() -> None:
    assert {kind for kind in EventType if kind.about.operations} == set(EventType) - NOT_YET
    assert {EventType.SCAN_COMPLETED, EventType.SCAN_FAILED} == NOT_YET


def test_a_chart_kept_as_an_artifact_raises_the_chart_event_of_the_same_thing_done() -> None:
    also = {kind: kind.about.as_oci_chart for kind in EventType if kind.about.as_oci_chart}
    assert also == {
        EventType.IMAGE_PUSH: EventType.CHART_PUSH,
        EventType.IMAGE_PULL: EventType.CHART_PULL,
        EventType.IMAGE_DELETE: EventType.CHART_DELETE,
    }
    for image, chart in also.items():
        assert image.about.operations - chart.about.operations <= {WriteBlob}
        assert (image.about.shape, chart.about.shape) == (Shape.IMAGE, Shape.CHART)


def test_a_policy_that_names_no_events_asks_for_harbors_nine() -> None:
    assert {str(kind) for kind in IN_ALL} == NINE.keys()


def test_the_nine_events_have_harbors_names() -> None:
    assert {kind.value: kind.harbor2 for kind in EventType if kind in NINE} == NINE


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("IMAGE PUSH", EventType.IMAGE_PUSH),
        ("IMAGE PULL", EventType.IMAGE_PULL),
        ("IMAGE DELETE", EventType.IMAGE_DELETE),
        ("CHART PUSH", EventType.CHART_PUSH),
        ("CHART PULL", EventType.CHART_PULL),
        ("CHART DELETE", EventType.CHART_DELETE),
        ("IMAGE SCAN COMPLETED", EventType.SCAN_COMPLETED),
        ("IMAGE SCAN FAILED", EventType.SCAN_FAILED),
        ("PROJECT QUOTA EXCEED", EventType.QUOTA_EXCEED),
    ],
)
def test_the_names_of_the_webhook_page_are_understood_however_they_are_written(
    text: str, kind: EventType
) -> None:
    written = {text, text.lower(), text.title(), text.replace(" ", "_"), text.replace(" ", "-"), f" {text} "}
    assert {parse_event_type(spelling) for spelling in written} == {kind}


@pytest.mark.parametrize("text", ["pushimage", "PUSHIMAGE", "push_image", "push-artifact", "Quota exceed"])
def test_small_and_large_letters_make_no_difference(text: str) -> None:
    assert parse_event_type(text)


@pytest.mark.parametrize("text", ["", "-", "push", "IMAGE", "IMAGE PUSHED", "QUOTA_WARNING", "REPLICATION"])
def test_other_words_are_no_event_type(text: str) -> None:
    assert parse_event_type(text) is None


@pytest.mark.parametrize("name", OF_HARBOR_ALONE)
def test_what_only_harbor_raises_is_known_by_name(name: str) -> None:
    assert of_harbor_alone(name) == of_harbor_alone(name.lower().replace("_", " ")) == name
    assert parse_event_type(name) is None


def test_what_happens_here_is_not_of_harbor_alone() -> None:
    assert not any(of_harbor_alone(name) for kind in EventType for name in (kind, kind.harbor2))


@given(st.text())
def test_any_text_is_an_event_type_or_none(text: str) -> None:
    kind = parse_event_type(text)
    assert kind is None or text.replace(" ", "").isascii()
