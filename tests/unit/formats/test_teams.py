import json
from dataclasses import replace

from hypothesis import given

from sidecar.formats import teams
from sidecar.formats.context import FormatContext
from sidecar.model.event import Event, EventType
from sidecar.model.scan import Scanner
from tests.unit.formats.samples import CONTEXT, an_event, contexts, events


def test_teams_card_lists_the_facts() -> None:
    message = json.loads(
        teams.encode(an_event(EventType.IMAGE_DELETE, tag="", tags=("v1", "v2")), CONTEXT).body
    )
    (attachment,) = message["attachments"]
    title, rows = attachment["content"]["body"]
    assert title["text"] == "Image deleted"
    assert {"title": "Tags", "value": "v1, v2"} in rows["facts"]


def test_message_stays_within_the_limit_of_teams() -> None:
    long = "<" * 5000
    scan = an_event(EventType.SCAN_FAILED).scan
    assert scan
    event = an_event(
        EventType.SCAN_FAILED,
        repository=f"{long}/{long}",
        digest=f"sha256:{long}",
        tags=("v1", long),
        platforms=(long,),
        operator=long,
        details=long,
        scan=replace(scan, error=long, scanner=Scanner(name=long)),
    )
    body = teams.encode(event, CONTEXT).body
    assert 16_000 < len(body) < 21_000
    (_, rows) = json.loads(body)["attachments"][0]["content"]["body"]
    assert rows["facts"][-1]["title"] == "Time"


def test_text_cannot_hide_where_a_link_leads() -> None:
    body = json.loads(teams.encode(an_event(operator="[alice](https://evil.example)"), CONTEXT).body)
    assert "](" not in json.dumps(body, ensure_ascii=False)
    assert "[alice]\u200b(https://evil.example)" in json.dumps(body, ensure_ascii=False)


@given(events(), contexts())
def test_every_event_has_a_message(event: Event, context: FormatContext) -> None:
    body = teams.encode(event, context).body
    assert json.loads(body)["type"] == "message"
    assert len(body) < 28_000
