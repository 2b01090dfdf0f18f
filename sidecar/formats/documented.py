"""The form printed on Harbor's webhook page, with all contents that the page's table lists.

Source: goharbor.io, docs 1.10, "Configure Webhook Notifications". Harbor itself never sent it.
An unknown size is null, an unknown chart type ""; nothing is guessed.
"""

from typing import Final

from sidecar.formats.context import FormatContext
from sidecar.formats.payload import encode_json
from sidecar.formats.resource import resource_url_of, tag_of, unix_milliseconds
from sidecar.model.delivery import Payload
from sidecar.model.event import Chart, Event, EventType, Shape
from sidecar.model.names import encoded_part
from sidecar.model.scan import Scan, ScanStatus, Severity, Vulnerability


def encode(event: Event, context: FormatContext) -> Payload:
    return Payload(encode_json({"event_type": str(event.type), "events": [contents_of(event, context)]}))


def contents_of(event: Event, context: FormatContext) -> dict[str, object]:
    """The keys of one event."""
    contents = _image_contents(event, context)
    match event.type.about.shape:
        case Shape.IMAGE:
            return contents | (
                {"image_size": event.size_bytes} if event.type is EventType.IMAGE_DELETE else {}
            )
        case Shape.CHART:
            return _chart_contents(event, event.chart, context) if event.chart else contents
        case Shape.SCAN:
            return contents | (_scan_contents(event.scan) if event.scan else {})
        case Shape.QUOTA:
            return contents | {"details": event.details} | (_of_chart(event.chart) if event.chart else {})


def _image_contents(event: Event, context: FormatContext) -> dict[str, object]:
    contents: dict[str, object] = {
        "project": event.repository.project,
        "repo_name": event.repository.name,
        "tag": tag_of(event),
        "full_name": event.repository.full_name,
        "trigger_time": unix_milliseconds(event.occurred_at),
        "image_id": encoded_part(event.digest),
        "project_type": _project_type(context),
        "tags": list(event.tags),
        "digest": event.digest,
        "resource_url": resource_url_of(event, context),
        "username": event.operator,
    }
    if event.platforms:
        contents["platforms"] = list(event.platforms)
    return contents


def _scan_contents(scan: Scan) -> dict[str, object]:
    """Counts are those of the whole report; only the most severe vulnerabilities are listed (sidecar.model.scan)."""
    if scan.status is not ScanStatus.SUCCESS:
        return {"error": scan.error or _WITHOUT_WORDS[scan.status]}
    critical, major = scan.number_of(Severity.CRITICAL), scan.number_of(Severity.HIGH)
    return {
        "critical": critical,
        "major": major,
        "minor": scan.total - critical - major,
        "scan_status": scan.status,
        "vulnerabilities": [_vulnerability(found) for found in scan.vulnerabilities],
    }


_WITHOUT_WORDS: Final = {ScanStatus.STOPPED: "the scan was stopped", ScanStatus.ERROR: "the scan failed"}


def _vulnerability(found: Vulnerability) -> dict[str, object]:
    return {
        "cve_id": found.id,
        "description": found.description,
        "link": found.link,
        "criticality": found.severity,
        "fix_url": found.fix_url,
    }


def _chart_contents(event: Event, chart: Chart, context: FormatContext) -> dict[str, object]:
    return {
        "project": event.repository.project,
        "repo_name": event.repository.name,
        "full_name": event.repository.full_name,
        **_of_chart(chart),
        "tag": event.tag,
        "trigger_time": unix_milliseconds(event.occurred_at),
        "project_type": _project_type(context),
        "username": event.operator,
        "resource_url": resource_url_of(event, context),
    }


def _of_chart(chart: Chart) -> dict[str, object]:
    return {
        "chart_name": chart.name,
        "chart_type": chart.type,
        "version": chart.version,
        "chart_size": chart.size_bytes,
    }


def _project_type(context: FormatContext) -> str:
    return "Public" if context.public else "Private"
