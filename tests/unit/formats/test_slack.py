import json
from typing import Any

import pytest
from hypothesis import given

from sidecar.formats import slack
from sidecar.formats.context import FormatContext
from sidecar.model.event import Event, EventType
from tests.unit.formats.samples import CONTEXT, an_event, contexts, events


def slack_message(event: Event) -> dict[str, Any]:
    document = json.loads(slack.encode(event, CONTEXT).body)
    assert isinstance(document, dict)
    return document


def test_slack_message_says_what_happened() -> None:
    message = slack_message(an_event())
    assert message["text"] == "Image pushed: registry.example.com/prj/app:v1"
    lines = message["blocks"][0]["text"]["text"].splitlines()
    assert lines[:2] == ["*Image pushed*", "*Resource:* registry.example.com/prj/app:v1"]
    assert "*User:* alice" in lines


def test_slack_mentions_nobody() -> None:
    message = json.dumps(slack_message(an_event(operator="<!channel> & <@U1>")))
    assert "&lt;!channel&gt; &amp; &lt;@U1&gt;" in message


def test_slack_makes_no_mention_of_a_plain_name() -> None:
    (section,) = slack_message(an_event(operator="@channel"))["blocks"]
    assert section["text"]["verbatim"] is True


def test_slack_message_stays_within_slacks_limit() -> None:
    message = slack_message(an_event(EventType.QUOTA_EXCEED, details="<" * 5000))
    assert len(message["blocks"][0]["text"]["text"]) <= 3000


@pytest.mark.parametrize("character", ["<", "\U0001f600", "x"])
def test_long_facts_leave_whole_lines(character: str) -> None:
    long = character * 5000
    event = an_event(EventType.QUOTA_EXCEED, details=long, operator=long, digest=f"sha256:{long}")
    text = slack_message(event)["blocks"][0]["text"]["text"]
    assert len(text.encode("utf-16-le")) // 2 <= 3000
    assert text.splitlines()[-1] == "*Time:* 2026-01-02 03:04:05 UTC"
    assert text.replace("&lt;", "").count("&") == 0


def test_text_fills_slacks_limit_and_no_more() -> None:
    longest = 0
    for length in range(400, 500):
        event = an_event(operator="x" * length, tags=("v1", "<" * 490), digest="x" * 450)
        text = slack_message(event)["blocks"][0]["text"]["text"]
        longest = max(longest, len(text))
    assert longest == 3000


def test_anonymous_is_said() -> None:
    assert "*User:* anonymous" in slack_message(an_event(operator=""))["blocks"][0]["text"]["text"]


@given(events(), contexts())
def test_every_event_has_a_message(event: Event, context: FormatContext) -> None:
    message = json.loads(slack.encode(event, context).body)
    assert message["text"]
    assert len(message["blocks"][0]["text"]["text"].encode("utf-16-le", "surrogatepass")) <= 2 * 3000
