"""Every content that the table of Harbor's webhook page promises is in the documented form."""

import json
import re
from pathlib import Path

import pytest

from sidecar.formats import documented
from sidecar.model.event import EventType
from tests.contract.example_events import CONTEXT, EXAMPLES

TABLE = Path(__file__).parents[1] / "golden" / "documented" / "contents.txt"

#: The names of the page and ours.
NAMES = {
    "IMAGE PUSH": EventType.IMAGE_PUSH,
    "IMAGE PULL": EventType.IMAGE_PULL,
    "IMAGE DELETE": EventType.IMAGE_DELETE,
    "CHART PUSH": EventType.CHART_PUSH,
    "CHART PULL": EventType.CHART_PULL,
    "CHART DELETE": EventType.CHART_DELETE,
    "IMAGE SCAN COMPLETED": EventType.SCAN_COMPLETED,
    "IMAGE SCAN FAILED": EventType.SCAN_FAILED,
    "PROJECT QUOTA EXCEED": EventType.QUOTA_EXCEED,
}

#: What the page says in brackets of the vulnerability information, and where it stands.
VULNERABILITY = {
    "cve id": "cve_id",
    "description": "description",
    "link to cve": "link",
    "criticality": "criticality",
    "url for any fix": "fix_url",
}

#: Where each of the page's contents stands; a key begins a pattern of the page's words.
PLACES = {
    "repository namespace name": "project",
    "repository name": "repo_name",
    "resource url": "resource_url",
    "tags?": "tag",
    "manifest digest": "digest",
    "image name": "full_name",
    "image size": "image_size",
    "chart name": "chart_name",
    "chart type": "chart_type",
    "chart version": "version",
    "chart size": "chart_size",
    "((push|pull|delete|scan completion) time )?timestamp( of (push|delete))?": "trigger_time",
    "tag scanned": "tag",
    "number of critical issues": "critical",
    "number of major issues": "major",
    "number of minor issues": "minor",
    "last scan status": "scan_status",
    "vulnerability information": "vulnerabilities",
    "error that occurred": "error",
    "username of user who .*": "username",
}


IN_BRACKETS = re.compile(r" \((.*)\)")


def promised() -> list[tuple[EventType, str]]:
    rows = [line.split(" | ") for line in TABLE.read_text().splitlines()[1:]]
    return [
        (NAMES[row[0]], content)
        for row in rows
        for content in IN_BRACKETS.sub("", row[1].removesuffix(" |").lower()).split(", ")
    ]


def place_of(content: str) -> str:
    (place,) = [place for pattern, place in PLACES.items() if re.fullmatch(pattern, content)]
    return place


def test_the_whole_table_is_read() -> None:
    assert {kind for kind, _ in promised()} == set(NAMES.values())
    assert len(promised()) == 69


@pytest.mark.parametrize(("kind", "content"), promised())
def test_promised_content_is_there(kind: EventType, content: str) -> None:
    (contents,) = json.loads(documented.encode(EXAMPLES[kind], CONTEXT).body)["events"]
    assert contents[place_of(content)]


def test_promised_information_on_vulnerabilities_is_there() -> None:
    (told,) = IN_BRACKETS.findall(TABLE.read_text().lower())
    assert told.split(", ") == list(VULNERABILITY)
    (contents,) = json.loads(documented.encode(EXAMPLES[EventType.SCAN_COMPLETED], CONTEXT).body)["events"]
    worst = contents["vulnerabilities"][0]
    assert list(worst) == list(VULNERABILITY.values())
    assert all(worst.values())


@pytest.mark.parametrize("kind", [EventType.IMAGE_PUSH, EventType.QUOTA_EXCEED])
def test_tags_are_listed_too(kind: EventType) -> None:
    (contents,) = json.loads(documented.encode(EXAMPLES[kind], CONTEXT).body)["events"]
    assert contents["tags"] == ["v1.2.0"]
