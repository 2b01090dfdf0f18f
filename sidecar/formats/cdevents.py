"""CDEvents 0.5.1, the vocabulary of the Continuous Delivery Foundation, in a CloudEvent of structured mode.

An artifact is identified by its package URL (purl). CDEvents has no types for scans and quotas. Its `signed` needs the
text of the signature, which no event has. `context.source` is the registry and not the policy: one occurrence has
one id and one source for all receivers.
Sources: cdevents/spec v0.5.1 spec.md, continuous-integration.md ("artifact") and cloudevents-binding.md;
package-url/purl-spec types/oci-definition.json. Helm has no definition there yet: pull request 236 and what is used.
"""

from typing import Final
from urllib.parse import quote

from sidecar.formats.cloudevents import CLOUDEVENTS_TYPE
from sidecar.formats.context import FormatContext
from sidecar.formats.payload import NotEncodable, encode_json, without_empty
from sidecar.formats.resource import go_time, tag_of
from sidecar.model.delivery import JSON_TYPE, Payload
from sidecar.model.event import Chart, Event, EventType, Shape

_SPEC_VERSION: Final = "0.5.1"

#: Event types without a counterpart in CDEvents.
UNSUPPORTED: Final = frozenset(kind for kind in EventType if kind.about.cdevents is None)


def encode(event: Event, context: FormatContext) -> Payload:
    """Raises NotEncodable."""
    cdevent = _cdevent(event, context)
    about = cdevent["context"]
    document = {
        "specversion": "1.0",
        "id": about["id"],
        "source": about["source"],
        "type": about["type"],
        "subject": cdevent["subject"]["id"],
        "datacontenttype": JSON_TYPE,
        "time": about["timestamp"],
        "data": cdevent,
    }
    return Payload(encode_json(document), CLOUDEVENTS_TYPE)


def _cdevent(event: Event, context: FormatContext) -> dict[str, dict[str, object]]:
    kind = event.type.about.cdevents
    if kind is None:
        raise NotEncodable(f"CDEvents has no event type for {event.type}")
    return {
        "context": {
            "specversion": _SPEC_VERSION,
            "id": str(event.id),
            "source": context.external_url,
            "type": kind,
            "timestamp": go_time(event.occurred_at),
        },
        "subject": {
            "id": _purl_of(event, context),
            "content": without_empty(user=event.operator),
        },
    }


def _purl_of(event: Event, context: FormatContext) -> str:
    # An image event may be about a chart that is stored as an OCI artifact.
    if event.chart and event.type.about.shape is Shape.CHART:
        return _chart_purl(event.chart, event, context)
    return _image_purl(event, context)


def _image_purl(event: Event, context: FormatContext) -> str:
    full_name = event.repository.full_name
    return _purl(
        "oci",
        full_name.rpartition("/")[2].lower(),
        event.digest,
        repository_url=f"{context.hostname}/{full_name}",
        tag=tag_of(event),
    )


def _chart_purl(chart: Chart, event: Event, context: FormatContext) -> str:
    """The chart, its version, and its repository, as given to Helm."""
    if not chart.name:
        raise NotEncodable("CDEvents names what it is about, and the name of this chart is not known")
    if chart.path:
        repository_url = context.external_url.rstrip("/") + chart.path.rpartition("/charts/")[0]
    else:  # stored as an OCI artifact
        folder = event.repository.full_name.rpartition("/")[0]
        repository_url = f"oci://{context.hostname}/{folder}".rstrip("/")
    return _purl("helm", chart.name, chart.version, repository_url=repository_url)


def _purl(kind: str, name: str, version: str, **qualifiers: str) -> str:
    """A package URL in the form that the documents of CDEvents use; empty parts are left out.

    qualifiers  sorted by name, as a purl has them
    """
    version = f"@{_quote(version)}" if version else ""
    pairs = "&".join(f"{key}={_quote(value, safe=':/')}" for key, value in qualifiers.items() if value)
    return f"pkg:{kind}/{_quote(name)}{version}?{pairs}"


def _quote(text: str, safe: str = "") -> str:
    return quote(text, safe=safe, errors="replace")
