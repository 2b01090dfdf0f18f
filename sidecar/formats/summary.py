"""An event in a few words for people, as chat targets show it."""

from datetime import UTC
from typing import Final

from sidecar.event import Event, EventType
from sidecar.formats.context import FormatContext
from sidecar.formats.resource import resource_url_of

_TITLES: Final = {
    EventType.IMAGE_PUSH: "Image pushed",
    EventType.IMAGE_PULL: "Image pulled",
    EventType.IMAGE_DELETE: "Image deleted",
    EventType.CHART_PUSH: "Chart uploaded",
    EventType.CHART_PULL: "Chart downloaded",
    EventType.CHART_DELETE: "Chart deleted",
    EventType.SCAN_COMPLETED: "Scan completed",
    EventType.SCAN_FAILED: "Scan failed",
    EventType.QUOTA_EXCEED: "Project quota exceeded",
}


def title_of(event: Event) -> str:
    return _TITLES[event.type]


def facts_of(event: Event, context: FormatContext) -> dict[str, str]:
    """What there is to say, by name; nothing that is not known."""
    facts = {
        "Resource": resource_url_of(event, context),
        "Digest": event.digest,
        "Tags": ", ".join(event.tags) if len(event.tags) > 1 else "",
        "Platforms": ", ".join(event.platforms),
        "Project": event.repository.project,
        "User": event.operator or "anonymous",
        "Details": event.details,
        "Time": event.occurred_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
    }
    return {name: fact for name, fact in facts.items() if fact}
