"""A message for a Slack incoming webhook.

Harbor's message is the event's JSON in a code block, concatenated by hand so that it is not valid JSON
(src/pkg/notifier/handler/notification/slack_handler.go); this one is for people to read.
Source: Slack, "Formatting text for app surfaces" (& < > are written as entities), "Section block" (its text has
1 to 3000 characters), "Text object" (without `verbatim` names become links and mentions), "Truncating really long
messages" (`text` should have at most 4000).
"""

from typing import Final

from sidecar.formats.context import FormatContext
from sidecar.formats.payload import encode_json
from sidecar.formats.summary import fitting, rows_of, title_of
from sidecar.model.delivery import Payload
from sidecar.model.event import Event

_LONGEST_TEXT: Final = 3000
_ENTITIES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def encode(event: Event, context: FormatContext) -> Payload:
    title = f"*{title_of(event)}*"
    rows = rows_of(event, context)
    chosen = fitting(
        rows, room=_LONGEST_TEXT - len(title), cost=lambda name, value: _units(_line(name, value))
    )
    text = title + "".join(_line(name, value) for name, value in chosen.items())
    section = {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}
    notification = f"{title_of(event)}: {_escape(rows['Resource'])}"  # shown where blocks are not
    return Payload(encode_json({"text": notification, "blocks": [section]}))


def _line(name: str, value: str) -> str:
    return f"\n*{name}:* {_escape(value)}"


def _escape(text: str) -> str:
    return text.translate(_ENTITIES)


def _units(text: str) -> int:
    """UTF-16 code units, as JavaScript counts them: an upper bound of Slack's count."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
