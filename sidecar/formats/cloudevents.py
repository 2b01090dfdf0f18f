"""CloudEvents 1.0 in structured mode, with the types and extensions that Harbor sends.

Source: Harbor src/pkg/notifier/formats/cloudevents.go. Harbor has no types for charts (they were removed
before it supported CloudEvents); ours follow its pattern, and are in the table of event types with its own. The id
is the event's own, so it is the same for every target and every attempt.
"""

from datetime import UTC
from typing import Final

from sidecar.formats.context import FormatContext
from sidecar.formats.default import event_data
from sidecar.formats.payload import encode_json, without_empty
from sidecar.model.delivery import JSON_TYPE, Payload
from sidecar.model.event import Event

CLOUDEVENTS_TYPE: Final = "application/cloudevents+json"


def encode(event: Event, context: FormatContext) -> Payload:
    document: dict[str, object] = {
        "specversion": "1.0",
        "id": str(event.id),
        "source": context.source or f"/projects/{event.repository.project}",
        "type": event.type.about.cloudevents,
        "datacontenttype": JSON_TYPE,
        "time": event.occurred_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "data": event_data(event, context),
        "operator": event.operator,
    }
    return Payload(encode_json(document | without_empty(requestid=event.request_id)), CLOUDEVENTS_TYPE)
