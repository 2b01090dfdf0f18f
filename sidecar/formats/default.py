"""What Harbor 2 sends in its Default format: not a key more, not a byte else.

Strict receivers refuse keys that Harbor lacks. Exactly one resource, as in Harbor.
Source: Harbor src/pkg/notifier/model/event.go (order and omitempty of the keys) and
src/controller/event/handler/webhook/; charts: v2.7.0 src/controller/event/handler/webhook/chart;
scans: src/pkg/scan/vuln/summary.go (NativeReportSummary).
"""

from sidecar.event import Event, EventType
from sidecar.formats.context import FormatContext
from sidecar.formats.payload import Payload, encode_json, without_empty
from sidecar.formats.resource import (
    CHART_EVENTS,
    SCAN_EVENTS,
    go_time,
    resource_url_of,
    tag_of,
    unix_seconds,
)
from sidecar.policy import EventNames
from sidecar.scan import Scan, Scanner, ScanStatus

_DATED = frozenset({EventType.IMAGE_PUSH, EventType.IMAGE_PULL, EventType.IMAGE_DELETE})


def encode(event: Event, context: FormatContext, names: EventNames = EventNames.HARBOR2) -> Payload:
    return Payload(encode_json(document_of(event, context, names)))


def document_of(
    event: Event, context: FormatContext, names: EventNames = EventNames.HARBOR2
) -> dict[str, object]:
    """The body, before it is JSON."""
    return {
        "type": str(event.type) if names is EventNames.HARBOR1 else event.type.harbor2,
        "occur_at": unix_seconds(event.occurred_at),
        "operator": event.operator,
        "event_data": event_data(event, context),
    }


def event_data(event: Event, context: FormatContext) -> dict[str, object]:
    resource = _resource(event, context)
    details = {"Details": event.details} if event.type is EventType.QUOTA_EXCEED else None
    return without_empty(
        resources=[resource] if resource else None,
        repository=_repository(event, context),
        scan={"scan_type": "vulnerability"} if event.type in SCAN_EVENTS else None,  # Harbor 2.11 and later
        custom_attributes=details,
    )


def _resource(event: Event, context: FormatContext) -> dict[str, object]:
    if event.type is EventType.QUOTA_EXCEED:  # a refused blob has neither, and then there is no resource
        return without_empty(digest=event.digest, tag=event.tag)
    url = resource_url_of(event, context)
    if event.type in CHART_EVENTS:
        return without_empty(tag=event.tag, resource_url=url)
    if event.type in SCAN_EVENTS:  # here Harbor does not put the digest where there is no tag
        overview = {event.scan.report_type: _report_summary(event.scan)} if event.scan else None
        return without_empty(digest=event.digest, tag=event.tag, resource_url=url, scan_overview=overview)
    return without_empty(digest=event.digest, tag=tag_of(event) or event.digest, resource_url=url)


def _report_summary(scan: Scan) -> dict[str, object]:
    """One value of scan_overview. Without a result, Harbor says nothing of scanner and error either."""
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
    dated = context.repository_created_at if event.type in _DATED else None
    return without_empty(date_created=dated) | {
        "name": event.repository.name,
        "namespace": event.repository.project,
        "repo_full_name": event.repository.full_name,
        "repo_type": "public" if context.public else "private",
    }
