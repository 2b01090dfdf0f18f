"""Event ⇒ payload: what a target receives; pure.

An event is encoded once, when it is stored, and never again for a retry. Each format has a file
of its own.

fanout       encodes an event for all targets that subscribe to it
context      what the formats need besides the event
payload      the bytes, and JSON as Harbor writes it
documented   the form printed on Harbor's webhook page
default      what Harbor 2 sends
cloudevents  CloudEvents with Harbor's types
cdevents     CDEvents, in a CloudEvent
slack        Slack incoming webhooks
teams        Microsoft Teams workflows
template     a target's own template
sandbox      the language of templates
summary      an event in a few lines, for chat
resource     the tag and URL that an event is about
receivers    known receivers, and the formats that they ignore
samples      sample events of each type
"""

from sidecar.formats import cdevents, cloudevents, default, documented, slack, teams, template
from sidecar.formats.context import FormatContext
from sidecar.formats.payload import NotEncodable
from sidecar.formats.template import TemplateFailed
from sidecar.model.delivery import Payload
from sidecar.model.event import Event, EventType
from sidecar.policies.target import PayloadFormat, Target, TargetType

__all__ = ["FormatContext", "NotEncodable", "TemplateFailed", "encode", "unsupported_types"]


def encode(event: Event, context: FormatContext, target: Target) -> Payload:
    """What `target` receives for `event`; slack and teams have one format each.

    Raises TemplateFailed, for a target with a template only, and NotEncodable.
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
        case TargetType.HTTP, PayloadFormat.CDEVENTS:
            return cdevents.encode(event, context)
        case TargetType.HTTP, PayloadFormat.TEMPLATE:
            return template.encode(event, context, target.template, target.template_content_type)


def unsupported_types(payload_format: PayloadFormat) -> frozenset[EventType]:
    """Event types that a format cannot express: targets with this format do not get these events."""
    return cdevents.UNSUPPORTED if payload_format is PayloadFormat.CDEVENTS else frozenset()
