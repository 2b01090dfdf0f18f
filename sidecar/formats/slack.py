"""A message for a Slack incoming webhook.

Harbor's message is the event's JSON in a code block, put together by hand so that it is no valid JSON
(src/pkg/notifier/handler/notification/slack_handler.go); this one is for people to read.
Source: Slack, "Block Kit" and "Formatting text": & < > are written as entities; a section's text has at
most 3000 characters.
"""

from typing import Final

from sidecar.event import Event
from sidecar.formats.context import FormatContext
from sidecar.formats.payload import Payload, encode_json
from sidecar.formats.summary import facts_of, title_of

_LONGEST_TEXT: Final = 3000
_ENTITIES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def encode(event: Event, context: FormatContext) -> Payload:
    title = title_of(event)
    facts = facts_of(event, context)
    lines = [f"*{title}*", *(f"*{name}:* {_escape(fact)}" for name, fact in facts.items())]
    text = "\n".join(lines)[:_LONGEST_TEXT]
    section = {"type": "section", "text": {"type": "mrkdwn", "text": text}}
    notification = f"{title}: {_escape(facts['Resource'])}"  # shown where blocks are not
    return Payload(encode_json({"text": notification, "blocks": [section]}))


def _escape(text: str) -> str:
    return text[:1000].translate(_ENTITIES)
