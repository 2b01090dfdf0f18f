from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.scan import (
    LONGEST_ERROR,
    MOST_CHARACTERS,
    MOST_VULNERABILITIES,
    ReportType,
    Scan,
    Scanner,
    ScanStatus,
    Severity,
    Vulnerability,
    completed_scan,
    failed_scan,
    most_severe,
    parse_severity,
)

START = datetime(2023, 4, 3, 6, 12, 47, tzinfo=UTC)
TRIVY = Scanner(name="Trivy", vendor="Aqua Security", version="v0.37.2")


def found(severity: Severity = Severity.LOW, number: int = 1, **more: Any) -> Vulnerability:
    return Vulnerability(id=f"CVE-2023-{number:05}", severity=severity, package="curl", **more)


def completed(*vulnerabilities: Vulnerability, took: timedelta = timedelta(seconds=8)) -> Scan:
    return completed_scan(
        report_id="r",
        report_type=ReportType.GENERIC,
        scanner=TRIVY,
        started_at=START,
        ended_at=START + took,
        vulnerabilities=vulnerabilities,
    )


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        ("Critical", Severity.CRITICAL),
        ("HIGH", Severity.HIGH),
        ("negligible", Severity.NEGLIGIBLE),
        ("None", Severity.NONE),
        ("", Severity.UNKNOWN),
        ("apocalyptic", Severity.UNKNOWN),
    ],
)
def test_any_word_is_a_severity(text: str, severity: Severity) -> None:
    assert parse_severity(text) is severity


def test_numbers_are_those_of_the_whole_report() -> None:
    scan = completed(
        *(found(Severity.LOW, number) for number in range(10_000)),
        *(found(Severity.HIGH, number, fix_version="2") for number in range(3)),
    )
    assert scan.counts == ((Severity.HIGH, 3), (Severity.LOW, 10_000))
    assert (scan.total, scan.fixable, scan.severity) == (10_003, 3, Severity.HIGH)
    assert scan.number_of(Severity.HIGH, Severity.CRITICAL) == 3
    assert len(scan.vulnerabilities) == MOST_VULNERABILITIES
    assert [kept.severity for kept in scan.vulnerabilities[:4]] == [*[Severity.HIGH] * 3, Severity.LOW]


@pytest.mark.parametrize(
    ("severities", "overall"),
    [
        ((), Severity.NONE),
        ((Severity.UNKNOWN,), Severity.NONE),  # as in Harbor
        ((Severity.UNKNOWN, Severity.NEGLIGIBLE), Severity.NEGLIGIBLE),
        ((Severity.LOW, Severity.CRITICAL, Severity.MEDIUM), Severity.CRITICAL),
    ],
)
def test_overall_severity_is_the_worst(severities: tuple[Severity, ...], overall: Severity) -> None:
    assert completed(*map(found, severities)).severity is overall


def test_the_worst_come_first_then_by_id_and_package() -> None:
    kept = most_severe(
        [
            found(Severity.LOW, 1),
            found(Severity.HIGH, 3),
            found(Severity.CRITICAL, 9),
            found(Severity.HIGH, 2),
        ]
    )
    assert [(entry.severity, entry.id[-1]) for entry in kept] == [
        (Severity.CRITICAL, "9"),
        (Severity.HIGH, "2"),
        (Severity.HIGH, "3"),
        (Severity.LOW, "1"),
    ]


def test_long_text_is_cut_and_bad_links_are_left_out() -> None:
    good, upper = "https://nvd.nist.gov/vuln/detail/CVE-2023-0464", "HTTP://example.com/a"
    bad = (
        "javascript:alert(1)",
        "https://a b",
        "https://a\nb",
        f"https://{'a' * 600}",
        "",
        "file:///etc/passwd",
    )
    (kept,) = most_severe(
        [found(description="x" * 5000, links=(*bad, good, upper, good), fix_url="data:text/html,x")]
    )
    assert kept.description.endswith("x…")
    assert len(kept.description) == 256
    assert kept.links == (good, upper)
    assert (kept.link, kept.fix_url) == (good, "")
    assert found().link == ""


def test_long_texts_leave_less_room() -> None:
    link = f"https://{'a' * 500}"
    kept = most_severe(found(Severity.LOW, number, links=(link, link)) for number in range(200))
    assert len(kept) < MOST_VULNERABILITIES
    assert MOST_CHARACTERS * 0.9 < sum(len(link) * 2 for _ in kept) <= MOST_CHARACTERS


texts = st.text(max_size=1000)
vulnerabilities = st.builds(
    Vulnerability,
    id=texts,
    severity=st.sampled_from(Severity),
    package=texts,
    version=texts,
    fix_version=texts,
    description=texts,
    links=st.lists(texts | st.just("https://example.com/x"), max_size=4).map(tuple),
    fix_url=texts,
)


@given(st.lists(vulnerabilities, max_size=10), st.integers(1, 40))
def test_whatever_a_report_says_is_bounded(reported: list[Vulnerability], times: int) -> None:
    kept = most_severe(reported * times)
    assert len(kept) <= MOST_VULNERABILITIES
    characters = sum(
        len(text)
        for entry in kept
        for text in (
            *(entry.id, entry.package, entry.version, entry.fix_version),
            *(entry.description, entry.fix_url, *entry.links),
        )
    )
    assert characters <= MOST_CHARACTERS
    ranks = [entry.severity.rank for entry in kept]
    assert ranks == sorted(ranks, reverse=True)


@pytest.mark.parametrize(
    ("took", "seconds"),
    [
        (timedelta(seconds=8), 8),
        (timedelta(seconds=7, milliseconds=999), 7),
        (timedelta(seconds=-3), 0),
        (timedelta(0), 0),
    ],
)
def test_duration_is_whole_seconds_and_never_negative(took: timedelta, seconds: int) -> None:
    assert completed(took=took).duration_s == seconds


def test_failed_scan_has_no_result() -> None:
    scan = failed_scan(
        report_id="r",
        report_type=ReportType.NATIVE,
        started_at=START,
        ended_at=START,
        error="x" * 5000,
        status=ScanStatus.STOPPED,
    )
    assert (scan.severity, scan.total, scan.scanner, scan.vulnerabilities) == (None, 0, None, ())
    assert len(scan.error) == LONGEST_ERROR


def test_names_of_a_scanner_are_bounded() -> None:
    scan = failed_scan(
        report_id="r" * 999,
        report_type=ReportType.NATIVE,
        started_at=START,
        ended_at=START,
        error="",
        scanner=Scanner(name="n" * 999, vendor="v" * 999, version="1" * 999),
    )
    assert scan.scanner
    assert (
        max(map(len, (scan.report_id, scan.scanner.name, scan.scanner.vendor, scan.scanner.version))) == 128
    )
