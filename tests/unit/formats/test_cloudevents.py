import json
from dataclasses import replace
from datetime import timedelta, timezone

from hypothesis import given

from sidecar.formats import cloudevents, default
from sidecar.formats.context import FormatContext
from sidecar.model.event import Event
from tests.unit.formats.samples import CONTEXT, TYPES, an_event, contexts, events


@given(events(), contexts())
def test_data_is_the_event_data_of_default(event: Event, context: FormatContext) -> None:
    ours = json.loads(cloudevents.encode(event, context).body)
    assert ours["data"] == json.loads(default.encode(event, context).body)["event_data"]
    assert ours["id"] == str(event.id)
    assert ours["source"]


def test_attributes_of_a_push() -> None:
    payload = cloudevents.encode(an_event(), replace(CONTEXT, source="/projects/1/webhook/policies/3"))
    assert payload.content_type == "application/cloudevents+json"
    document = json.loads(payload.body)
    del document["data"]
    assert document == {
        "specversion": "1.0",
        "id": "4b2f89a6-548d-4c12-9993-a1f5790b97d2",
        "source": "/projects/1/webhook/policies/3",
        "type": "harbor.artifact.pushed",
        "datacontenttype": "application/json",
        "time": "2026-01-02T03:04:05Z",
        "operator": "alice",
        "requestid": "51c0b694",
    }


def test_unknown_request_id_is_left_out() -> None:
    assert "requestid" not in json.loads(cloudevents.encode(an_event(request_id=""), CONTEXT).body)


def test_time_is_utc() -> None:
    elsewhere = an_event().occurred_at.astimezone(timezone(timedelta(hours=2)))
    assert json.loads(cloudevents.encode(an_event(occurred_at=elsewhere), CONTEXT).body)["time"].endswith(
        "T03:04:05Z"
    )


def test_every_type_has_a_name_of_its_own() -> None:
    names = {json.loads(cloudevents.encode(an_event(kind), CONTEXT).body)["type"] for kind in TYPES}
    assert len(names) == len(TYPES)
    assert all(name.startswith("harbor.") for name in names)
