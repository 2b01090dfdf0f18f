"""A message for a Microsoft Teams workflow ("Post to a channel when a webhook request is received").

Source: Microsoft, "Create incoming webhooks with Workflows for Microsoft Teams" (an Adaptive Card as
attachment; the older connectors were retired).
"""

from typing import Final

from sidecar.event import Event
from sidecar.formats.context import FormatContext
from sidecar.formats.payload import Payload, encode_json
from sidecar.formats.summary import facts_of, title_of

_CARD_TYPE: Final = "application/vnd.microsoft.card.adaptive"
_LONGEST_FACT: Final = 2000  # a message may have 28 KB


def encode(event: Event, context: FormatContext) -> Payload:
    facts = [
        {"title": name, "value": fact[:_LONGEST_FACT]} for name, fact in facts_of(event, context).items()
    ]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [
            {
                "type": "TextBlock",
                "text": title_of(event),
                "weight": "Bolder",
                "size": "Medium",
                "wrap": True,
            },
            {"type": "FactSet", "facts": facts},
        ],
    }
    return Payload(
        encode_json({"type": "message", "attachments": [{"contentType": _CARD_TYPE, "content": card}]})
    )
