"""The tag and URL that an event is about, in the form that targets use.

Source: Harbor src/controller/event/handler/util/util.go (BuildImageResourceURL).
"""

from datetime import UTC, datetime, timedelta

from sidecar.formats.context import FormatContext
from sidecar.model.event import Event, EventType

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def tag_of(event: Event) -> str:
    """The tag that the user named, "" when a digest was named.

    Deleting by digest removes all its tags: the first of them represents the artifact, as in Harbor.
    """
    if not event.tag and event.type is EventType.IMAGE_DELETE and event.tags:
        return event.tags[0]
    return event.tag


def resource_url_of(event: Event, context: FormatContext) -> str:
    """The reference of an image or OCI chart, without scheme, or the download URL of a chart.

    For a refused push, the one that it would have had.
    """
    if event.chart and event.chart.path:
        return context.external_url.rstrip("/") + event.chart.path
    # At depth 0 a chart that could not be parsed has no name.
    name = f"{context.hostname}/{event.repository.full_name}".rstrip("/")
    tag = tag_of(event)
    if tag or not event.digest:
        return f"{name}:{tag}" if tag else name
    return f"{name}@{event.digest}"


def unix_seconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(seconds=1)


def unix_milliseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)


def go_time(at: datetime) -> str:
    """RFC 3339 in UTC as Go's time.Time writes itself: a fraction only where there is one, without zeros."""
    whole, dot, fraction = at.astimezone(UTC).replace(tzinfo=None).isoformat().partition(".")
    return f"{whole}{dot}{fraction.rstrip('0')}Z"
