from dataclasses import replace

import pytest
from hypothesis import given

from sidecar.formats.context import FormatContext
from sidecar.formats.summary import fitting, rows_of, title_of
from sidecar.model.event import Event, EventType
from sidecar.model.scan import Severity
from tests.unit.formats.samples import CONTEXT, OVERFLOW, an_event, contexts, events


def test_each_event_has_a_title_of_its_own() -> None:
    assert len({title_of(an_event(kind)) for kind in EventType}) == len(EventType)


def test_only_what_is_known_is_said() -> None:
    rows = rows_of(an_event(EventType.QUOTA_EXCEED, tag="", digest=""), CONTEXT)
    assert rows == {
        "Resource": "registry.example.com/prj/app",
        "Project": "prj",
        "User": "alice",
        "Details": OVERFLOW,
        "Time": "2026-01-02 03:04:05 UTC",
    }


@pytest.mark.parametrize(("tags", "expected"), [(("v1",), None), (("v1", "latest"), "v1, latest")])
def test_tags_are_listed_when_there_are_several(tags: tuple[str, ...], expected: str | None) -> None:
    assert rows_of(an_event(tags=tags), CONTEXT).get("Tags") == expected


def test_completed_scan_in_a_few_words() -> None:
    rows = rows_of(an_event(EventType.SCAN_COMPLETED), CONTEXT)
    assert rows["Severity"] == "Critical"
    assert rows["Vulnerabilities"] == "3 (1 Critical, 1 High, 1 Medium), 2 fixable"
    assert rows["Most severe"].split("; ") == [
        "CVE-2023-23914 in curl 7.87.0-r1 (Critical, fixed in 7.87.0-r2)",
        "CVE-2023-0464 in libssl3 3.0.8-r0 (High, fixed in 3.0.8-r1)",
        "CVE-2022-48174 in busybox 1.35.0-r29 (Medium)",
    ]
    assert rows["Scanner"] == "Trivy v0.37.2"


def test_clean_scan_says_so() -> None:
    scan = an_event(EventType.SCAN_COMPLETED).scan
    assert scan
    clean = replace(scan, counts=(), fixable=0, severity=Severity.NONE, vulnerabilities=())
    rows = rows_of(an_event(EventType.SCAN_COMPLETED, scan=clean), CONTEXT)
    assert (rows["Severity"], rows["Vulnerabilities"]) == ("None", "none")
    assert "Most severe" not in rows


def test_failed_scan_says_why() -> None:
    rows = rows_of(an_event(EventType.SCAN_FAILED), CONTEXT)
    assert rows["Status"] == "Error"
    assert rows["Error"].endswith("connection refused")
    assert "Vulnerabilities" not in rows


@given(events(), contexts())
def test_each_fact_is_one_line_of_bounded_length(event: Event, context: FormatContext) -> None:
    for value in rows_of(event, context).values():
        assert value.splitlines() == [value] or any(c in value for c in "\x1c\x1d\x1e")
        assert 0 < len(value) <= 500


def test_text_cannot_make_up_a_fact() -> None:
    rows = rows_of(an_event(operator="eve\n*User:* alice"), CONTEXT)
    assert rows["User"] == "eve *User:* alice"


def test_a_fact_that_does_not_fit_makes_room_for_those_after_it() -> None:
    rows = {"a": "1234", "b": "12345678", "c": "12"}
    assert fitting(rows, room=7, cost=lambda name, value: len(name + value)) == {"a": "1234"}
    assert fitting(rows, room=8, cost=lambda name, value: len(name + value)) == {"a": "1234", "c": "12"}
