import pytest

from sidecar.event import EventType
from sidecar.formats.summary import facts_of, title_of
from tests.unit.formats.samples import CONTEXT, OVERFLOW, an_event


def test_each_event_has_a_title_of_its_own() -> None:
    assert len({title_of(an_event(kind)) for kind in EventType}) == len(EventType)


def test_only_what_is_known_is_said() -> None:
    facts = facts_of(an_event(EventType.QUOTA_EXCEED, tag="", digest=""), CONTEXT)
    assert facts == {
        "Resource": "registry.example.com/prj/app",
        "Project": "prj",
        "User": "alice",
        "Details": OVERFLOW,
        "Time": "2026-01-02 03:04:05 UTC",
    }


@pytest.mark.parametrize(("tags", "expected"), [(("v1",), None), (("v1", "latest"), "v1, latest")])
def test_tags_are_listed_when_there_are_several(tags: tuple[str, ...], expected: str | None) -> None:
    assert facts_of(an_event(tags=tags), CONTEXT).get("Tags") == expected
