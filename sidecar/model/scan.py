"""The result of scanning an artifact for vulnerabilities, in the words of Harbor's scan reports.

A report may list ten thousand vulnerabilities, with untrusted text. Counts here are always
those of the whole report; only the most severe vulnerabilities are kept, each with bounded text. Create a
Scan with `completed_scan` or `failed_scan`, which ensure both.
Source: Harbor src/pkg/scan/vuln/{report,summary,severity}.go and src/pkg/scan/report/summary.go;
pluggable-scanner-spec api/spec.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from heapq import nsmallest
from typing import Final

MOST_VULNERABILITIES: Final = 100
MOST_CHARACTERS: Final = 32 << 10  #: of all vulnerabilities of one scan; as JSON at most six bytes each
LONGEST_ERROR: Final = 1000  #: characters

_LONGEST_DESCRIPTION: Final = 256
_LONGEST_NAME: Final = 128
_LONGEST_LINK: Final = 512
_MOST_LINKS: Final = 2


class ReportType(StrEnum):
    """The MIME types of vulnerability reports that Harbor knows. Source: src/pkg/scan/rest/v1/spec.go."""

    GENERIC = "application/vnd.security.vulnerability.report; version=1.1"
    NATIVE = "application/vnd.scanner.adapter.vuln.report.harbor+json; version=1.0"


class ScanStatus(StrEnum):
    """How a scan ended."""

    SUCCESS = "Success"
    ERROR = "Error"
    STOPPED = "Stopped"  #: it was stopped; reported as a failed scan, as by Harbor 1.9 to 2.3


class Severity(StrEnum):
    """In ascending order."""

    NONE = "None"  #: for an artifact without vulnerabilities, or a harmless vulnerability (CVSS)
    UNKNOWN = "Unknown"  #: not rated yet, or an unknown word
    NEGLIGIBLE = "Negligible"
    LOW = "Low"
    MEDIUM = "Medium"
    HIGH = "High"
    CRITICAL = "Critical"

    @property
    def rank(self) -> int:
        return _RANKS[self]


_RANKS: Final = {severity: rank for rank, severity in enumerate(Severity)}


def parse_severity(text: str) -> Severity:
    """A severity in any case; UNKNOWN for any other word."""
    return _BY_NAME.get(text.lower(), Severity.UNKNOWN)


_BY_NAME: Final = {severity.lower(): severity for severity in Severity}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanner:
    """The scanner."""

    name: str
    vendor: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vulnerability:
    """One vulnerability of one package."""

    id: str  #: such as CVE-2023-0464, as the scanner names it
    severity: Severity
    package: str = ""
    version: str = ""  #: of the package
    fix_version: str = ""  #: version of the package that fixes it; "" when there is none
    description: str = ""
    links: tuple[str, ...] = ()  #: http or https; where it is described, the best first
    fix_url: str = ""  #: http or https; describes the fix; "" when the report has none

    @property
    def link(self) -> str:
        return self.links[0] if self.links else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """How a scan ended and what it found."""

    report_id: str
    report_type: ReportType
    status: ScanStatus
    started_at: datetime  #: UTC
    ended_at: datetime  #: UTC
    severity: Severity | None = None  #: the worst that was found; None unless SUCCESS
    counts: tuple[tuple[Severity, int], ...] = ()  #: of the whole report, the worst first, none of 0
    fixable: int = 0  #: vulnerabilities of the whole report that have a fix_version
    scanner: Scanner | None = None
    vulnerabilities: tuple[Vulnerability, ...] = ()  #: the most severe, the worst first
    error: str = ""  #: why there is no result; "" for SUCCESS

    @property
    def total(self) -> int:
        """Vulnerabilities of the whole report."""
        return sum(number for _, number in self.counts)

    @property
    def duration_s(self) -> int:
        """Whole seconds, never negative. Source: GenerateNativeSummary."""
        return max(0, int(self.ended_at.timestamp()) - int(self.started_at.timestamp()))

    def number_of(self, *severities: Severity) -> int:
        return sum(number for severity, number in self.counts if severity in severities)


def completed_scan(
    *,
    report_id: str,
    report_type: ReportType,
    scanner: Scanner,
    started_at: datetime,
    ended_at: datetime,
    vulnerabilities: Sequence[Vulnerability],
) -> Scan:
    """A completed scan, from all vulnerabilities of its report."""
    counts = Counter(found.severity for found in vulnerabilities)
    return Scan(
        report_id=_cut(report_id, _LONGEST_NAME),
        report_type=report_type,
        status=ScanStatus.SUCCESS,
        started_at=started_at,
        ended_at=ended_at,
        severity=_overall(counts),
        counts=tuple(sorted(counts.items(), key=lambda count: -count[0].rank)),
        fixable=sum(bool(found.fix_version) for found in vulnerabilities),
        scanner=_bounded_scanner(scanner),
        vulnerabilities=most_severe(vulnerabilities),
    )


def failed_scan(
    *,
    report_id: str,
    report_type: ReportType,
    started_at: datetime,
    ended_at: datetime,
    error: str,
    status: ScanStatus = ScanStatus.ERROR,
    scanner: Scanner | None = None,
) -> Scan:
    """A scan without a result; `error` says why."""
    return Scan(
        report_id=_cut(report_id, _LONGEST_NAME),
        report_type=report_type,
        status=status,
        started_at=started_at,
        ended_at=ended_at,
        scanner=_bounded_scanner(scanner) if scanner else None,
        error=_cut(error, LONGEST_ERROR),
    )


def most_severe(vulnerabilities: Iterable[Vulnerability]) -> tuple[Vulnerability, ...]:
    """The vulnerabilities of a report that are kept: the worst first, then by id and package.

    At most MOST_VULNERABILITIES, and no more than fit in MOST_CHARACTERS. Long texts are cut and end in
    "…"; links that are too long, or neither http nor https, are left out.
    """
    worst = nsmallest(
        MOST_VULNERABILITIES,
        vulnerabilities,
        key=lambda found: (-found.severity.rank, found.id, found.package),
    )
    return tuple(_fitting(map(_bounded, worst)))


def _fitting(vulnerabilities: Iterable[Vulnerability]) -> Iterator[Vulnerability]:
    left = MOST_CHARACTERS
    for found in vulnerabilities:
        texts = (found.id, found.package, found.version, found.fix_version, found.description, found.fix_url)
        left -= sum(map(len, (*texts, *found.links)))
        if left < 0:
            return
        yield found


def _overall(counts: Counter[Severity]) -> Severity:
    # As in Harbor (GetSeveritySummary), vulnerabilities of unknown severity alone leave it at None.
    judged = [severity for severity in counts if severity is not Severity.UNKNOWN]
    return max(judged, key=lambda severity: severity.rank, default=Severity.NONE)


def _bounded(found: Vulnerability) -> Vulnerability:
    return replace(
        found,
        id=_cut(found.id, _LONGEST_NAME),
        package=_cut(found.package, _LONGEST_NAME),
        version=_cut(found.version, _LONGEST_NAME),
        fix_version=_cut(found.fix_version, _LONGEST_NAME),
        description=_cut(found.description, _LONGEST_DESCRIPTION),
        links=tuple(link for link in found.links if _is_link(link))[:_MOST_LINKS],
        fix_url=found.fix_url if _is_link(found.fix_url) else "",
    )


def _bounded_scanner(scanner: Scanner) -> Scanner:
    return Scanner(
        name=_cut(scanner.name, _LONGEST_NAME),
        vendor=_cut(scanner.vendor, _LONGEST_NAME),
        version=_cut(scanner.version, _LONGEST_NAME),
    )


def _is_link(text: str) -> bool:
    return (
        len(text) <= _LONGEST_LINK
        and text.lower().startswith(("http://", "https://"))
        and text.isprintable()
        and " " not in text
    )


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
