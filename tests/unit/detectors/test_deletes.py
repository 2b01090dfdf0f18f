"""What a delete took along: the upstream's word, and memory where there was none."""

import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

from sidecar.model.event import EventType
from sidecar.model.exchange import Facts
from sidecar.store.file import migrate
from tests.support.builders import SKOPEO, Wire, a_manifest, an_index, digest_of

IMAGE, OTHER = a_manifest("image"), a_manifest("other")
INDEX = an_index([(IMAGE, "linux/amd64"), (OTHER, "linux/arm64")])


@pytest.fixture(params=["grouped", "exact"])
def wire(request: pytest.FixtureRequest) -> Iterator[Wire]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    wire = Wire(connection)
    if request.param == "exact":
        wire.holds = None
    yield wire
    connection.close()


def deleted(wire: Wire, reference: str, **facts: Any) -> list[tuple[str, tuple[str, ...]]]:
    wire.delete("prj/app", reference, facts=Facts(**facts))
    return [(event.tag, event.tags) for event in wire.events if event.type is EventType.IMAGE_DELETE]


def test_a_tag_that_was_moved_past_the_sidecar_did_not_go(wire: Wire) -> None:
    wire.put("prj/app", "v1", IMAGE)
    assert deleted(wire, digest_of(IMAGE), existed=True, other_tags=frozenset({"v1"})) == [("", ())]


def test_memory_and_an_answer_that_was_cut_short_make_the_list_together(wire: Wire) -> None:
    for tag in ("a-first", "moved", "zz-last"):
        wire.put("prj/app", tag, IMAGE)
    facts = {"tags": ("a-first", "unseen"), "other_tags": frozenset({"moved"})}
    tags = ("zz-last", "a-first", "unseen")
    assert deleted(wire, digest_of(IMAGE), existed=True, **facts) == [("zz-last", tags)]


def test_the_first_tag_is_the_one_last_created_or_moved(wire: Wire) -> None:
    for tag in ("m-first", "z-second", "a-third", "m-first"):
        wire.put("prj/app", tag, IMAGE)
    tags = ("a-third", "z-second", "m-first")
    assert deleted(wire, digest_of(IMAGE), existed=True, tags=("a-third", "m-first", "z-second")) == [
        ("a-third", tags)
    ]


def test_a_tag_that_came_back_was_moved(wire: Wire) -> None:
    wire.put("prj/app", "v1", IMAGE)
    wire.put("prj/app", "v2", IMAGE)
    wire.put("prj/app", "v1", OTHER)
    wire.put("prj/app", "v1", IMAGE)
    assert deleted(wire, digest_of(IMAGE)) == [("v1", ("v1", "v2"))]


def test_looking_at_a_tag_does_not_move_it(wire: Wire) -> None:
    wire.put("prj/app", "v1", IMAGE)
    wire.head("prj/app", "older", IMAGE)
    reader = wire.as_client(SKOPEO)
    assert deleted(reader, digest_of(IMAGE)) == [("v1", ("v1", "older"))]


def test_an_answer_that_depends_on_accept_says_nothing_of_the_tag(wire: Wire) -> None:
    wire.put("prj/app", "multi", INDEX)
    wire.head("prj/app", "multi", IMAGE, depends_on_accept=True)
    assert deleted(wire, digest_of(IMAGE), existed=True) == [("", ())]
    wire.delete("prj/app", digest_of(INDEX), facts=Facts())
    assert (wire.events[-1].tag, wire.events[-1].tags) == ("multi", ("multi",))


def test_what_was_not_there_was_not_deleted_whatever_the_registry_answers(wire: Wire) -> None:
    assert deleted(wire, digest_of(IMAGE), existed=False) == []
    assert deleted(wire, "v1", existed=False) == []


def test_what_was_seen_and_is_hidden_from_who_deletes_was_there(wire: Wire) -> None:
    wire.put("prj/app", "v1", IMAGE)
    assert deleted(wire, digest_of(IMAGE), existed=False) == [("v1", ("v1",))]
    wire.delete("prj/app", digest_of(IMAGE), facts=Facts(existed=False))
    assert len(wire.events) == 2


def test_a_tag_that_the_registry_does_not_resolve_has_its_remembered_digest(wire: Wire) -> None:
    wire.put("prj/app", "v1", IMAGE)
    wire.delete("prj/app", "v1", facts=Facts())
    assert wire.events[-1].digest == digest_of(IMAGE)


@pytest.mark.parametrize("suffix", ["", ".sig", ".att", ".sbom"])
def test_a_signature_that_was_never_seen_is_no_image(wire: Wire, suffix: str) -> None:
    tag = f"sha256-{'a' * 64}{suffix}"
    came = deleted(wire, digest_of(IMAGE), existed=True, tags=(tag,))
    assert came == ([] if wire.holds else [(tag, (tag,))])


def test_an_image_is_one_although_a_signatures_tag_names_it_as_well(wire: Wire) -> None:
    tag = f"sha256-{'a' * 64}.sig"
    wire.put("prj/app", "v1", IMAGE)
    wire.put("prj/app", tag, IMAGE)
    assert deleted(wire, digest_of(IMAGE), existed=True) == [(tag, (tag, "v1"))]


def test_a_signature_read_by_its_digest_stays_one(wire: Wire) -> None:
    tag = f"sha256-{'a' * 64}.sig"
    wire.put("prj/app", tag, IMAGE)
    wire.get("prj/app", digest_of(IMAGE), IMAGE)
    came = deleted(wire, digest_of(IMAGE), existed=True, other_tags=frozenset({tag}))
    assert came == ([] if wire.holds else [("", ())])
