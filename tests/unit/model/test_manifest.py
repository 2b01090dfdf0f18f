import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.errors import ManifestInvalid
from sidecar.model.manifest import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    HELM_CONFIG,
    LARGEST_MANIFEST_BYTES,
    MANIFEST_TYPES,
    OCI_INDEX,
    OCI_MANIFEST,
    Manifest,
    media_type_of,
    parse_manifest,
    platform_name,
)
from tests.support.builders import a_digest, a_manifest, an_index

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)
KEYS = (
    "mediaType",
    "config",
    "layers",
    "manifests",
    "subject",
    "artifactType",
    "digest",
    "size",
    "platform",
    "annotations",
)
LIKE_MANIFESTS = st.recursive(
    JSON | st.just(a_digest("x")) | st.sampled_from(MANIFEST_TYPES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=30,
)


def parse(document: Any, content_type: str = "") -> Manifest:
    return parse_manifest(json.dumps(document).encode(), content_type)


def a_descriptor(**more: Any) -> dict[str, Any]:
    return {"digest": a_digest("x"), "size": 7, "mediaType": OCI_MANIFEST} | more


def test_sizes_are_added_up_as_harbor_does() -> None:
    body = a_manifest()
    manifest = parse_manifest(body)
    assert manifest.size_bytes == len(body)
    assert manifest.content_bytes == len(body) + 10 + 100 + 200


def test_index_counts_itself_only_and_names_its_children() -> None:
    body = an_index([(a_manifest("a"), "linux/amd64"), (a_manifest("b"), "linux/arm64")])
    index = parse_manifest(body)
    assert index.is_index
    assert index.content_bytes == len(body)
    assert index.platforms == ("linux/amd64", "linux/arm64")
    assert [child.media_type for child in index.children] == [OCI_MANIFEST] * 2


def test_attestations_are_no_platforms() -> None:
    index = parse_manifest(an_index([(a_manifest("a"), "linux/amd64"), (a_manifest("b"), "unknown")]))
    assert index.platforms == ("linux/amd64",)
    assert [child.is_attestation for child in index.children] == [False, True]


def test_attestations_are_told_by_their_annotation_too() -> None:
    annotations = {"vnd.docker.reference.type": "attestation-manifest"}
    index = parse(
        {"manifests": [a_descriptor(annotations=annotations, platform={"os": "linux", "architecture": "x"})]}
    )
    assert index.children[0].is_attestation
    assert not index.platforms


def test_the_same_platform_twice_is_named_once() -> None:
    index = parse_manifest(an_index([(a_manifest("a"), "linux/amd64"), (a_manifest("b"), "linux/amd64")]))
    assert index.platforms == ("linux/amd64",)


@pytest.mark.parametrize(
    ("document", "content_type", "expected"),
    [
        ({"mediaType": OCI_INDEX}, DOCKER_MANIFEST, DOCKER_MANIFEST),
        ({"mediaType": OCI_INDEX}, "application/json", OCI_INDEX),
        ({}, f"{DOCKER_LIST}; charset=utf-8", DOCKER_LIST),
        ({"manifests": []}, "", OCI_INDEX),
        ({"layers": []}, "", OCI_MANIFEST),
        ({"mediaType": 7}, "", OCI_MANIFEST),
    ],
)
def test_media_type_is_the_headers_then_the_bodys_then_the_shapes(
    document: dict[str, Any], content_type: str, expected: str
) -> None:
    assert parse(document, content_type).media_type == expected


def test_media_type_has_no_parameters_and_no_capitals() -> None:
    assert media_type_of(" Application/JSON ; charset=UTF-8") == "application/json"


def test_helm_charts_are_told_by_their_config() -> None:
    assert parse_manifest(a_manifest(config_type=HELM_CONFIG)).is_chart
    assert not parse_manifest(a_manifest()).is_chart
    assert parse_manifest(a_manifest(config_type=HELM_CONFIG)).artifact_type == HELM_CONFIG


def test_a_referrer_names_its_subject() -> None:
    assert parse_manifest(a_manifest("sig", subject=a_manifest())).subject
    assert parse_manifest(a_manifest()).subject is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x",
        b"null",
        b"[]",
        b'"text"',
        b"1",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"layers":[{"digest":"nonsense"}]}',
        b'{"config":{"size":1}}',
        b'{"subject":{"digest":7}}',
        b" " * (LARGEST_MANIFEST_BYTES + 1),
    ],
)
def test_what_is_no_manifest_is_refused(body: bytes) -> None:
    with pytest.raises(ManifestInvalid):
        parse_manifest(body)


def test_too_many_descriptors_are_refused() -> None:
    parse({"layers": [a_descriptor()] * 10_000})
    with pytest.raises(ManifestInvalid):
        parse({"layers": [a_descriptor()] * 10_001})


@pytest.mark.parametrize("size", [-1, 1.5, "7", None, True, 2**63])
def test_senseless_sizes_count_nothing(size: object) -> None:
    assert parse({"config": a_descriptor(size=size)}).config == parse({"config": a_descriptor(size=0)}).config


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        ({"os": "linux", "architecture": "arm", "variant": "v7"}, "linux/arm/v7"),
        ({"os": "windows", "architecture": "amd64", "os.version": "10.0"}, "windows/amd64"),
        ({"os": "linux"}, ""),
        ({"architecture": "amd64"}, ""),
        ({"os": "unknown", "architecture": "unknown"}, ""),
        ({"os": ["linux"], "architecture": "amd64"}, ""),
        ({"os": "li\ud800nux", "architecture": "amd64"}, "li\ufffdnux/amd64"),
    ],
)
def test_platform_names(platform: dict[str, Any], expected: str) -> None:
    assert platform_name(platform) == expected


@given(LIKE_MANIFESTS | JSON, st.text(max_size=20) | st.sampled_from(MANIFEST_TYPES))
def test_any_json_is_a_manifest_or_refused(document: Any, content_type: str) -> None:
    body = json.dumps(document).encode()
    try:
        manifest = parse_manifest(body, content_type)
    except ManifestInvalid:
        return
    assert manifest.size_bytes == len(body)
    assert manifest.content_bytes >= len(body)
    for platform in manifest.platforms:
        platform.encode()


@given(st.binary(max_size=300))
def test_any_bytes_are_a_manifest_or_refused(body: bytes) -> None:
    try:
        parse_manifest(body)
    except ManifestInvalid:
        return
