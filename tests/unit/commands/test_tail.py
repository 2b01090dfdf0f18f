from dataclasses import replace

from sidecar.commands.tail import line_of
from tests.unit.formats.samples import an_event


def test_a_line_says_who_did_what_to_what_and_is_harmless() -> None:
    line = line_of(replace(an_event(), operator="al\x1b[31mice", tags=("v1", "v2")))
    assert line.split() == [
        "2026-01-02",
        "03:04:05",
        "pushImage",
        "prj/app:v1,v2",
        "al�[31mice",
        "sha256:dde8e930c7b6",
    ]
    assert line_of(an_event(operator="", tag="", digest="")).split()[3:] == ["prj/app", "-"]
