import json

from hypothesis import given

from sidecar.event import Event, EventType
from sidecar.formats import teams
from sidecar.formats.context import FormatContext
from tests.unit.formats.samples import CONTEXT, an_event, contexts, events


def test_teams_card_lists_the_facts() -> None:
    message = json.loads(
        teams.encode(an_event(EventType.IMAGE_DELETE, tag="", tags=("v1", "v2")), CONTEXT).body
    )
    (attachment,) = message["attachments"]
    title, facts = attachment["content"]["body"]
    assert title["text"] == "Image deleted"
    assert {"title": "Tags", "value": "v1, v2"} in facts["facts"]


@given(events(), contexts())
def test_every_event_has_a_message(event: Event, context: FormatContext) -> None:
    assert json.loads(teams.encode(event, context).body)["type"] == "message"
