"""A message for a Microsoft Teams workflow ("Post to a channel when a webhook request is received").

Source: Microsoft, "Create and send messages" (type, attachments, contentType and content of a message with an
Adaptive Card), "Create Incoming Webhooks" (a message has at most 28 KB), "Text features" of Adaptive Cards
(texts are Markdown). The older connectors and their cards were retired.
"""

from typing import Final

from sidecar.formats.context import FormatContext
from sidecar.formats.payload import encode_json
from sidecar.formats.summary import fitting, rows_of, title_of
from sidecar.model.delivery import Payload
from sidecar.model.event import Event

_CARD_TYPE: Final = "application/vnd.microsoft.card.adaptive"
_MOST_BYTES: Final = 20_000  #: of the rows; the rest is within 500, and some flows add to a message


def encode(event: Event, context: FormatContext) -> Payload:
    rows = fitting(
        rows_of(event, context), room=_MOST_BYTES, cost=lambda *value: len(encode_json(_row(*value)))
    )
    title = {
        "type": "TextBlock",
        "text": title_of(event),
        "weight": "Bolder",
        "size": "Medium",
        "wrap": True,
    }
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [title, {"type": "FactSet", "facts": [_row(*value) for value in rows.items()]}],
    }
    attachment = {"contentType": _CARD_TYPE, "contentUrl": None, "content": card}
    return Payload(encode_json({"type": "message", "attachments": [attachment]}))


def _row(name: str, value: str) -> dict[str, str]:
    # A Markdown link may hide its target: a zero-width space makes it plain text.
    return {"title": name, "value": value.replace("](", "]\u200b(")}
