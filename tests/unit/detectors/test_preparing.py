"""What was fetched only to push something made of it is no pull."""

import json
from dataclasses import replace

from tests.support.builders import DOCKER, Wire, a_digest, a_manifest, an_index, digest_of
from tests.unit.detectors.scenes import (
    AMD64,
    ARM64,
    CRANE,
    DOCKER_CLI,
    IMAGE,
    INDEX,
    OTHER,
    OUTER,
    PULL,
    PUSH,
    on,
    outcome,
)


def test_retagging_is_a_push_and_no_pull(wire: Wire) -> None:
    wire.get("prj/app", "v1", IMAGE)
    wire.put("prj/app", "v2", IMAGE)
    assert outcome(wire) == [(PUSH, "v2")]


def test_an_index_made_of_what_is_there_is_a_push_and_no_pull_of_its_children(wire: Wire) -> None:
    for manifest, seed in ((AMD64, "amd64"), (ARM64, "arm64")):
        wire.client = on(CRANE, 1)
        wire.get("prj/app", seed, manifest)
        wire.fetch_blob("prj/app", a_digest(f"{seed}-config"))
    wire.client = on(CRANE, 2)  # the children were asked for in parallel meanwhile
    wire.put("prj/app", "v1", INDEX)
    assert outcome(wire) == [(PUSH, "v1")]


def test_an_index_made_of_indexes_is_a_push_and_no_pull_of_what_is_below(wire: Wire) -> None:
    wire.put("prj/app", "inner", INDEX)
    for reference, manifest in (("inner", INDEX), ("amd", AMD64), (digest_of(ARM64), ARM64), ("o", OTHER)):
        wire.get("prj/app", reference, manifest)
    wire.put("prj/app", "v1", OUTER)
    assert outcome(wire) == [(PUSH, "inner"), (PUSH, "v1")]


def test_an_index_that_gets_one_more_child_is_a_push_and_no_pull(wire: Wire) -> None:
    more = an_index([(OTHER, "linux/s390x"), (AMD64, "linux/amd64"), (ARM64, "linux/arm64")])
    wire.get("prj/app", "v1", INDEX)
    wire.put("prj/app", "v2", more)
    wire.get("prj/app", "v2", more)
    wire.put("prj/app", "v3", INDEX)  # not made of the larger one
    assert outcome(wire) == [(PUSH, "v2"), (PUSH, "v3"), (PULL, "v2")]


def test_docker_manifest_create_and_push_is_a_push(wire: Wire) -> None:
    for number, manifest in enumerate((AMD64, AMD64, ARM64, ARM64)):
        wire.client = on(DOCKER_CLI, number)
        wire.get("prj/app", "amd64" if manifest is AMD64 else "arm64", manifest)
    wire.client = on(DOCKER_CLI, 9)
    wire.put("prj/app", "v1", INDEX)
    assert outcome(wire) == [(PUSH, "v1")]


def test_signing_is_no_pull_of_what_is_signed(wire: Wire) -> None:
    wire.get("prj/app", "v1", IMAGE)
    wire.put("prj/app", digest_of(IMAGE).replace(":", "-") + ".sig", OTHER)
    wire.get("prj/app", "v1", IMAGE)
    signature = a_manifest("signature", subject=IMAGE)
    wire.put("prj/app", digest_of(signature), signature)
    wire.get("prj/app", "v1", INDEX)
    wire.get("prj/app", digest_of(AMD64), AMD64)
    wire.put("prj/app", digest_of(INDEX).replace(":", "-") + ".att", OTHER)
    assert outcome(wire) == []


def test_a_layer_appended_or_a_config_changed_is_a_push_and_no_pull_of_the_base(wire: Wire) -> None:
    document = json.loads(IMAGE)
    document["config"]["digest"] = a_digest("another config")
    mutated = json.dumps(document).encode()
    document["layers"].append({**document["layers"][0], "digest": a_digest("appended")})
    for tag, made in (("v2", mutated), ("v3", json.dumps(document).encode())):
        wire.get("prj/app", "v1", IMAGE)
        wire.fetch_blob("prj/app", a_digest("image-config"))
        wire.put("prj/app", tag, made)
    assert outcome(wire) == [(PUSH, "v2"), (PUSH, "v3")]


def test_who_pulls_an_image_and_pushes_another_has_pulled(wire: Wire) -> None:
    wire.get("prj/app", "v1", IMAGE)
    wire.put("prj/app", "v2", OTHER)
    assert outcome(wire) == [(PUSH, "v2"), (PULL, "v1")]


def test_who_fetched_a_layer_has_pulled_whatever_is_pushed_then(wire: Wire) -> None:
    wire.get("prj/app", "amd64", AMD64)
    wire.fetch_blob("prj/app")
    wire.put("prj/app", "v1", INDEX)
    assert outcome(wire) == [(PUSH, "v1"), (PULL, "amd64")]


def test_another_clients_pull_is_no_part_of_a_push(wire: Wire) -> None:
    wire.get("prj/app", "v1", IMAGE)
    wire.client = replace(DOCKER, address="10.9.9.9")
    wire.put("prj/app", "v2", IMAGE)
    assert outcome(wire) == [(PUSH, "v2"), (PULL, "v1")]


def test_pulls_on_other_connections_are_no_part_of_a_push_that_has_its_own(wire: Wire) -> None:
    for number in range(5):
        wire.client = on(CRANE, number)
        wire.get("prj/app", "v1", IMAGE)
    wire.put("prj/app", "v2", IMAGE)  # crane tag, on the last one's connection
    for number in range(4):
        wire.client = on(CRANE, number)
        wire.fetch_blob("prj/app")
    assert outcome(wire) == [(PUSH, "v2"), *[(PULL, "v1")] * 4]
