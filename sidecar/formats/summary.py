"""An event in a few lines for people, as chat targets show it."""

from collections.abc import Callable
from datetime import UTC
from typing import Final

from sidecar.formats.context import FormatContext
from sidecar.formats.resource import resource_url_of
from sidecar.model.event import Event
from sidecar.model.scan import Scan, ScanStatus, Vulnerability

_LONGEST_VALUE: Final = 500  #: characters
_WORST: Final = 5  #: vulnerabilities that are listed


def title_of(event: Event) -> str:
    return event.type.about.title


def rows_of(event: Event, context: FormatContext) -> dict[str, str]:
    """The rows of a message by name, without unknown values. Each is one line of at most 500 characters."""
    rows = {
        "Resource": resource_url_of(event, context),
        "Digest": event.digest,
        "Tags": ", ".join(event.tags) if len(event.tags) > 1 else "",
        "Platforms": ", ".join(event.platforms),
        **(_scan_rows(event.scan) if event.scan else {}),
        "Project": event.repository.project,
        "User": event.operator or "anonymous",
        "Details": event.details,
        "Time": event.occurred_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
    }
    return {name: one_line for name, value in rows.items() if (one_line := _one_line(value))}


def fitting(rows: dict[str, str], *, room: int, cost: Callable[[str, str], int]) -> dict[str, str]:
    """The rows that fit; one that does not fit is skipped, and later ones may still fit.

    room  in the unit of `cost`, which is asked for each name and value
    """
    chosen = {}
    for name, value in rows.items():
        if (needed := cost(name, value)) <= room:
            chosen[name] = value
            room -= needed
    return chosen


def _scan_rows(scan: Scan) -> dict[str, str]:
    scanner = f"{scan.scanner.name} {scan.scanner.version}" if scan.scanner else ""
    if scan.status is not ScanStatus.SUCCESS:
        return {"Status": scan.status, "Error": scan.error, "Scanner": scanner}
    return {
        "Severity": scan.severity or "",
        "Vulnerabilities": _numbers(scan),
        "Most severe": "; ".join(map(_named, scan.vulnerabilities[:_WORST])),
        "Scanner": scanner,
    }


def _numbers(scan: Scan) -> str:
    """As `98 (3 High, 95 Low), 2 fixable`."""
    if not scan.total:
        return "none"
    counts = ", ".join(f"{number} {severity}" for severity, number in scan.counts)
    return f"{scan.total} ({counts}), {scan.fixable} fixable"


def _named(found: Vulnerability) -> str:
    """As `CVE-2023-0464 in openssl 3.0.8 (High, fixed in 3.0.9)`."""
    package = f" in {found.package} {found.version}" if found.package else ""
    fixed = f", fixed in {found.fix_version}" if found.fix_version else ""
    return f"{found.id}{package} ({found.severity}{fixed})"


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_VALUE else line[: _LONGEST_VALUE - 1] + "…"
