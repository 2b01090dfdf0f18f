"""Event ⇒ payload: what a target receives; pure.

Bytes are made once, when an event is stored, and never again for a retry. Each format stands in a file
of its own; `fanout` applies them to all targets that want an event.
"""

from sidecar.event import Event
from sidecar.formats import cloudevents, default, documented, slack, teams, template
from sidecar.formats.context import FormatContext
from sidecar.formats.payload import Payload
from sidecar.formats.template import TemplateFailed
from sidecar.policy import PayloadFormat, Target, TargetType

__all__ = ["FormatContext", "Payload", "TemplateFailed", "encode"]


def encode(event: Event, context: FormatContext, target: Target) -> Payload:
    """What `target` receives for `event`; slack and teams have one format each.

    Raises TemplateFailed, for a target with a template only.
    """
    match target.type, target.payload_format:
        case TargetType.SLACK, _:
            return slack.encode(event, context)
        case TargetType.TEAMS, _:
            return teams.encode(event, context)
        case TargetType.HTTP, PayloadFormat.DOCUMENTED:
            return documented.encode(event, context)
        case TargetType.HTTP, PayloadFormat.DEFAULT:
            return default.encode(event, context, target.event_names)
        case TargetType.HTTP, PayloadFormat.CLOUDEVENTS:
            return cloudevents.encode(event, context)
        case TargetType.HTTP, PayloadFormat.TEMPLATE:
            return template.encode(event, context, target.template, target.template_content_type)
