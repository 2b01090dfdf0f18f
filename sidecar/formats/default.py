"""Exactly what Harbor 2 sends in its Default format, byte for byte.

Strict receivers reject keys that Harbor does not send. Exactly one resource, as in Harbor.
Source: Harbor src/pkg/notifier/model/event.go (order and omitempty of the keys) and
src/controller/event/handler/webhook/; charts: v2.7.0 src/controller/event/handler/webhook/chart;
scans: src/pkg/scan/vuln/summary.go (NativeReportSummary).
"""

from sidecar.formats.context import FormatContext
from sidecar.formats.payload import encode_json, without_empty
from sidecar.formats.resource import go_time, resource_url_of, tag_of, unix_seconds
from sidecar.model.delivery import Payload
from sidecar.model.event import Event, Shape
from sidecar.model.scan import Scan, Scanner, ScanStatus
from sidecar.policies.target import EventNames


def encode(event: Event, context: FormatContext, names: EventNames = EventNames.HARBOR2) -> Payload:
    return Payload(encode_json(document_of(event, context, names)))


def document_of(
    event: Event, context: FormatContext, names: EventNames = EventNames.HARBOR2
) -> dict[str, object]:
    """The body, before it is encoded as JSON."""
    return {
        "type": str(event.type) if names is EventNames.HARBOR1 else event.type.harbor2,
        "occur_at": unix_seconds(event.occurred_at),
        "operator": event.operator,
        "event_data": event_data(event, context),
    }


def event_data(event: Event, context: FormatContext) -> dict[str, object]:
    shape, resource = event.type.about.shape, _resource(event, context)
    return without_empty(
        resources=[resource] if resource else None,
        repository=_repository(event, context),
        scan={"scan_type": "vulnerability"} if shape is Shape.SCAN else None,  # Harbor 2.11 and later
        custom_attributes={"Details": event.details} if shape is Shape.QUOTA else None,
    )


def _resource(event: Event, context: FormatContext) -> dict[str, object]:
    digest, tag, url = event.digest, event.tag, resource_url_of(event, context)
    match event.type.about.shape:
        case Shape.IMAGE:
            return without_empty(digest=digest, tag=tag_of(event) or digest, resource_url=url)
        case Shape.CHART:
            return without_empty(tag=tag, resource_url=url)
        case Shape.SCAN:  # here Harbor does not use the digest as the tag where there is none
            overview = {event.scan.report_type: _report_summary(event.scan)} if event.scan else None
            return without_empty(digest=digest, tag=tag, resource_url=url, scan_overview=overview)
        case Shape.QUOTA:  # a refused blob has neither, and then there is no resource
            return without_empty(digest=digest, tag=tag)


def _report_summary(scan: Scan) -> dict[str, object]:
    """One value of scan_overview. Without a result, Harbor leaves out scanner and error as well."""
    is_complete = scan.status is ScanStatus.SUCCESS
    return {
        "report_id": scan.report_id,
        "scan_status": scan.status,
        "severity": scan.severity or "",
        "duration": scan.duration_s,
        "summary": _numbers(scan) if is_complete else None,
        "start_time": go_time(scan.started_at),
        "end_time": go_time(scan.ended_at),
        **({"scanner": _scanner(scan.scanner)} if is_complete and scan.scanner else {}),
        "complete_percent": 100 if is_complete else 0,
    }


def _numbers(scan: Scan) -> dict[str, object]:
    # Go writes the keys of a map in the order of their bytes.
    return {"total": scan.total, "fixable": scan.fixable, "summary": dict(sorted(scan.counts))}


def _scanner(scanner: Scanner) -> dict[str, object]:
    return {"name": scanner.name, "vendor": scanner.vendor, "version": scanner.version}


def _repository(event: Event, context: FormatContext) -> dict[str, object]:
    dated = context.repository_created_at if event.type.about.shape is Shape.IMAGE else None
    return without_empty(date_created=dated) | {
        "name": event.repository.name,
        "namespace": event.repository.project,
        "repo_full_name": event.repository.full_name,
        "repo_type": "public" if context.public else "private",
    }
