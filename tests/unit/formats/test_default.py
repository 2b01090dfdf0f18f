import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from sidecar.event import Event, EventType
from sidecar.formats import default
from sidecar.formats.context import FormatContext
from sidecar.policy import EventNames
from tests.unit.formats.samples import (
    CONTEXT,
    DIGEST,
    IMAGE_TYPES,
    OVERFLOW,
    TYPES,
    an_event,
    contexts,
    events,
)

HARBOR_KEYS = {
    "": {"type", "occur_at", "operator", "event_data"},
    "event_data": {"resources", "repository", "custom_attributes"},
    "resources": {"digest", "tag", "resource_url"},
    "repository": {"date_created", "name", "namespace", "repo_full_name", "repo_type"},
    "custom_attributes": {"Details"},
}


def body(event: Event, context: FormatContext = CONTEXT) -> dict[str, Any]:
    document = json.loads(default.encode(event, context).body)
    assert isinstance(document, dict)
    return document


def resource(event: Event) -> dict[str, Any]:
    (only,) = body(event)["event_data"]["resources"]
    assert isinstance(only, dict)
    return only


def keys_beyond_harbor(document: Any, place: str = "") -> set[str]:
    if isinstance(document, list):
        return set().union(*(keys_beyond_harbor(entry, place) for entry in document))
    if not isinstance(document, dict):
        return set()
    beyond = set(document) - HARBOR_KEYS[place]
    return beyond.union(*(keys_beyond_harbor(document[key], key) for key in document))


@given(events(), contexts())
def test_no_event_has_a_key_that_harbor_lacks(event: Event, context: FormatContext) -> None:
    assert not keys_beyond_harbor(body(event, context))


@given(events(), contexts())
def test_common_minimum_of_receivers_is_always_there(event: Event, context: FormatContext) -> None:
    document = body(event, context)
    assert isinstance(document["occur_at"], int)
    assert isinstance(document["operator"], str)
    repository = document["event_data"]["repository"]
    assert {"name", "namespace", "repo_full_name", "repo_type"} <= set(repository)
    if event.type in IMAGE_TYPES:
        (only,) = document["event_data"]["resources"]
        assert set(only) == {"digest", "tag", "resource_url"}


@pytest.mark.parametrize("kind", TYPES)
def test_either_spelling_of_the_type(kind: EventType) -> None:
    old = json.loads(default.encode(an_event(kind), CONTEXT, EventNames.HARBOR1).body)
    assert (old["type"], body(an_event(kind))["type"]) == (kind.value, kind.harbor2)


def test_by_digest_the_tag_is_the_digest() -> None:
    assert resource(an_event(tag="", tags=("v1",))) == {
        "digest": DIGEST,
        "tag": DIGEST,
        "resource_url": f"registry.example.com/prj/app@{DIGEST}",
    }


def test_delete_by_digest_names_the_first_tag_only() -> None:
    event = an_event(EventType.IMAGE_DELETE, tag="", tags=("v1", "latest"))
    assert resource(event)["tag"] == "v1"


def test_unknown_creation_time_is_left_out() -> None:
    unknown = replace(CONTEXT, repository_created_at=None)
    assert "date_created" not in body(an_event(), unknown)["event_data"]["repository"]


@pytest.mark.parametrize("kind", [kind for kind in TYPES if kind not in IMAGE_TYPES])
def test_creation_time_is_in_image_events_only(kind: EventType) -> None:
    assert "date_created" not in body(an_event(kind))["event_data"]["repository"]


def test_repository_type_follows_the_project() -> None:
    public = replace(CONTEXT, public=True)
    assert body(an_event(), public)["event_data"]["repository"]["repo_type"] == "public"
    assert body(an_event())["event_data"]["repository"]["repo_type"] == "private"


def test_quota_has_details_and_no_url() -> None:
    data = body(an_event(EventType.QUOTA_EXCEED))["event_data"]
    assert data["custom_attributes"] == {"Details": OVERFLOW}
    assert data["resources"] == [{"digest": DIGEST, "tag": "v1"}]


def test_quota_of_a_rejected_layer_has_no_resources() -> None:
    assert "resources" not in body(an_event(EventType.QUOTA_EXCEED, tag="", digest=""))["event_data"]


def test_chart_has_no_digest_even_as_an_artifact() -> None:
    chart = an_event(EventType.CHART_PUSH).chart
    assert chart
    event = an_event(EventType.CHART_PUSH, digest=DIGEST, chart=replace(chart, path=""))
    assert resource(event) == {"tag": "1.2.3", "resource_url": "registry.example.com/prj/web:1.2.3"}


def test_keys_stand_in_harbors_order() -> None:
    encoded = default.encode(an_event(EventType.QUOTA_EXCEED), CONTEXT).body.decode()
    order = ['"type"', '"occur_at"', '"operator"', '"event_data"', '"resources"', '"digest"', '"tag"']
    order += [
        '"repository"',
        '"name"',
        '"namespace"',
        '"repo_full_name"',
        '"repo_type"',
        '"custom_attributes"',
    ]
    places = [encoded.index(key) for key in order]
    assert places == sorted(places)
