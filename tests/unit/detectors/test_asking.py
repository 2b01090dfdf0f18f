"""So many pulls, so many events: processes behind one address, and one process that asks several times."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.builders import DOCKER, SKOPEO, Wire, a_digest, digest_of
from tests.unit.detectors.scenes import AMD64, CRANE, DOCKER_CLI, IMAGE, INDEX, OTHER, PULL, PUSH, on, outcome


@pytest.mark.parametrize("keeps_connections", [True, False])
def test_processes_behind_one_address_that_pull_at_once_are_one_pull_each(
    wire: Wire, *, keeps_connections: bool
) -> None:
    for number in range(10):
        wire.client = on(SKOPEO, number)
        wire.get("prj/app", "v1", IMAGE)
    for number in range(10):
        wire.client = on(SKOPEO, number if keeps_connections else 100 + number)
        wire.fetch_blob("prj/app")
    assert outcome(wire) == [(PULL, "v1")] * 10


def test_processes_that_have_every_blob_are_one_pull_each(wire: Wire) -> None:
    for number in range(10):
        wire.client = on(SKOPEO, number)
        wire.get("prj/app", "v1", IMAGE)
        wire.fetch_blob("prj/app", a_digest("image-config"))
    assert outcome(wire) == [(PULL, "v1")] * 10


def test_processes_behind_a_proxy_that_tells_of_no_connection_are_one_pull_each(wire: Wire) -> None:
    for _ in range(10):
        wire.get("prj/app", digest_of(IMAGE), IMAGE)
    assert outcome(wire) == [(PULL, "")] * 10


def test_one_process_that_asks_again_on_its_connection_is_one_pull(wire: Wire) -> None:
    wire.client = on(CRANE, 1)
    for reference in ("v1", "v1", digest_of(IMAGE), "v1"):
        wire.get("prj/app", reference, IMAGE)
        wire.fetch_blob("prj/app", a_digest("image-config"))
    wire.fetch_blob("prj/app")
    assert outcome(wire) == [(PULL, "v1")]


def test_oras_that_walks_over_what_is_attached_before_it_copies_is_one_pull(wire: Wire) -> None:
    oras = replace(DOCKER, user_agent="oras/1.3.6")
    for number in range(5):
        wire.client = on(oras, number)
        wire.head("prj/app", "v1", INDEX)
        wire.get("prj/app", digest_of(INDEX), INDEX)
    for number in range(5):
        wire.client = on(oras, 10 + number)
        wire.get("prj/app", digest_of(INDEX), INDEX)
        wire.get("prj/app", digest_of(AMD64), AMD64)
        wire.fetch_blob("prj/app")
    assert outcome(wire) == [(PULL, "v1")] * 5


def test_a_digest_that_was_resolved_once_and_pulled_by_many_is_one_pull_each(wire: Wire) -> None:
    wire.client = on(CRANE, 1)
    wire.head("prj/app", "v1", IMAGE)  # crane digest
    for number in range(2, 7):
        wire.client = on(CRANE, number)
        wire.get("prj/app", digest_of(IMAGE), IMAGE)
    assert [kind for kind, _ in outcome(wire)] == [PULL] * 5


def test_one_process_that_pulls_twice_on_its_connection_is_two_pulls(wire: Wire) -> None:
    wire.client = on(CRANE, 1)
    for _ in range(2):
        wire.get("prj/app", "v1", IMAGE)
        wire.fetch_blob("prj/app")
    assert outcome(wire) == [(PULL, "v1")] * 2


@pytest.mark.parametrize("times", [2, 3, 4])
def test_docker_manifest_asks_on_a_new_connection_each_time_for_one_pull(wire: Wire, times: int) -> None:
    for number in range(times):
        wire.client = on(DOCKER_CLI, number)
        wire.get("prj/app", "v1", INDEX)
        if number:
            wire.get("prj/app", digest_of(AMD64), AMD64)
    assert outcome(wire) == [(PULL, "v1")]


def test_cri_o_looks_once_before_it_pulls(wire: Wire) -> None:
    crio = replace(DOCKER, user_agent="cri-o/1.27.1 go/go1.20 os/linux arch/amd64")
    for node in range(3):
        for step in range(2):
            wire.client = on(crio, 10 * node + step)
            wire.get("prj/app", "v1", IMAGE)
            wire.fetch_blob("prj/app", a_digest("image-config"))
        wire.fetch_blob("prj/app")
    assert outcome(wire) == [(PULL, "v1")] * 3


def test_nodes_behind_one_address_that_pull_two_tags_of_one_digest_have_each_their_tag(wire: Wire) -> None:
    for number, tag in enumerate(("v1", "v2")):
        wire.client = on(DOCKER, number)
        wire.head("prj/app", tag, IMAGE)
    for number in (2, 3):
        wire.client = on(DOCKER, number)
        wire.get("prj/app", digest_of(IMAGE), IMAGE)
    assert sorted(outcome(wire)) == [(PULL, "v1"), (PULL, "v2")]


def test_a_tag_that_was_resolved_once_is_of_one_pull(wire: Wire) -> None:
    wire.head("prj/app", "v1", IMAGE)
    for number in range(2):
        wire.client = on(DOCKER, number)
        wire.get("prj/app", digest_of(IMAGE), IMAGE)
        wire.fetch_blob("prj/app")
    assert outcome(wire) == [(PULL, "v1"), (PULL, "")]


def test_a_tag_is_the_one_that_was_resolved_last(wire: Wire) -> None:
    wire.head("prj/app", "v1", IMAGE)  # it is here already: no more is asked
    wire.after(seconds=5)
    wire.head("prj/app", "v2", IMAGE)
    wire.get("prj/app", digest_of(IMAGE), IMAGE)
    assert outcome(wire) == [(PULL, "v2")]


def test_nodes_that_pull_an_index_at_once_have_each_their_child(wire: Wire) -> None:
    for number in range(3):
        wire.client = on(SKOPEO, number)
        wire.get("prj/app", "v1", INDEX)
    for number in range(3):
        wire.client = on(SKOPEO, 10 + number)
        wire.get("prj/app", digest_of(AMD64), AMD64)
        wire.after(seconds=60)  # a node's layers before the next one's child
    assert outcome(wire) == [(PULL, "v1")] * 3


@pytest.mark.parametrize("several_workers", [True, False])
def test_a_child_recorded_before_its_index_by_another_worker_is_no_pull(
    wire: Wire, *, several_workers: bool
) -> None:
    wire.get("prj/app", digest_of(AMD64), AMD64)
    wire.get("prj/app", "v1", INDEX)
    held = wire.due(wire.now + timedelta(seconds=4), several_workers=several_workers)
    assert [event.tag for event in held] == (["v1"] if several_workers else ["", "v1"])


def test_a_child_that_one_more_process_fetches_by_digest_is_a_pull(wire: Wire) -> None:
    wire.get("prj/app", "v1", INDEX)
    for number in range(2):
        wire.client = on(DOCKER, number)
        wire.get("prj/app", digest_of(AMD64), AMD64)
        wire.fetch_blob("prj/app")
    assert outcome(wire) == [(PULL, "v1"), (PULL, "")]


def test_reading_back_what_was_pushed_is_a_pull_when_its_config_is_fetched(wire: Wire) -> None:
    wire.put("prj/app", "v1", IMAGE)
    wire.get("prj/app", digest_of(IMAGE), IMAGE)
    wire.fetch_blob("prj/app", a_digest("image-config"))
    assert outcome(wire) == [(PUSH, "v1"), (PULL, "")]


@pytest.mark.parametrize("suffix", ["", ".sig", ".att", ".sbom"])
def test_a_referrer_of_a_longer_digest_has_a_cut_tag_and_is_no_push(wire: Wire, suffix: str) -> None:
    wire.put("prj/app", f"sha512-{'0a' * 32}{suffix}", INDEX)
    assert outcome(wire) == []


def test_an_image_tagged_with_a_digest_and_a_word_of_a_tool_is_a_push(wire: Wire) -> None:
    tag = digest_of(OTHER).replace(":", "-") + ".imgpkg"
    wire.put("prj/app", tag, IMAGE)
    wire.get("prj/app", tag, IMAGE)
    wire.fetch_blob("prj/app")
    assert outcome(wire) == [(PUSH, tag), (PULL, tag)]
