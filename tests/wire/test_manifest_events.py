"""What pushes and deletes of odd manifests and tags raise, with the real program before real registries."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sidecar.model.manifest import DOCKER_LIST, DOCKER_MANIFEST, MANIFEST_TYPES, OCI_INDEX
from tests.support.images import Artifact, build_image, build_multi_platform, upload
from tests.support.process import NotInstalledError, wait_until
from tests.support.receiver import Receiver
from tests.support.servers import Registry, Sidecar, Version, policy

ALL = ", ".join(MANIFEST_TYPES)


@pytest.fixture(scope="module", params=["3", "2.8"])
def registry(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    version: Version = request.param
    try:
        server = Registry(tmp_path_factory.mktemp("registry"), version=version)
    except NotInstalledError as missing:
        pytest.skip(str(missing))
    with server:
        yield server


class Stack:
    """A sidecar before a registry, and what it sent."""

    def __init__(self, folder: Path, registry: Registry, receiver: Receiver, **settings: Any) -> None:
        self.registry, self.receiver = registry, receiver
        self.sidecar = Sidecar(
            folder,
            registry=registry.url,
            projects=[{"name": "prj", "webhook_policies": [policy(receiver.url)]}],
            settings={"events": {"mode": "grouped", "pull_hold_s": 0.2, "push_hold_s": 0.5} | settings},
        )

    def push(self, artifact: Artifact, repository: str, tag: str, *, past: bool = False) -> None:
        url = self.registry.url if past else self.sidecar.url
        upload(artifact, registry_url=url, repository=repository, tag=tag)

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        return httpx.request(method, f"{self.sidecar.url}/v2/{path}", timeout=30, trust_env=False, **more)

    def events(self, kind: str, repository: str, count: int = 1) -> list[dict[str, Any]]:
        """The events of a kind, once so many have come and time for more has passed."""

        def found() -> list[dict[str, Any]]:
            bodies = [request.json() for request in self.receiver.requests]
            events = [(body["event_type"], body["events"][0]) for body in bodies]
            return [event for name, event in events if name == kind and event["full_name"] == repository]

        wait_until(lambda: len(found()) >= count, 10, what=f"{count} {kind}")
        time.sleep(1.0)
        return found()


@pytest.fixture
def stack(tmp_path: Path, registry: Registry) -> Iterator[Stack]:
    with Receiver() as receiver:
        stack = Stack(tmp_path, registry, receiver)
        with stack.sidecar:
            yield stack


def as_docker(artifact: Artifact) -> Artifact:
    """The same image as a schema 2 manifest."""
    document = json.loads(artifact.manifest)
    document["mediaType"] = DOCKER_MANIFEST
    document["config"]["mediaType"] = "application/vnd.docker.container.image.v1+json"
    for layer in document["layers"]:
        layer["mediaType"] = "application/vnd.docker.image.rootfs.diff.tar.gzip"
    return Artifact(manifest=json.dumps(document).encode(), media_type=DOCKER_MANIFEST, blobs=artifact.blobs)


def a_docker_list(*children: Artifact) -> Artifact:
    entries = [
        {
            "mediaType": DOCKER_MANIFEST,
            "digest": child.digest,
            "size": len(child.manifest),
            "platform": {"os": "linux", "architecture": architecture},
        }
        for child, architecture in zip(children, ("amd64", "arm64"), strict=True)
    ]
    document = {"schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": entries}
    return Artifact(manifest=json.dumps(document).encode(), media_type=DOCKER_LIST, children=children)


def test_a_list_that_was_answered_as_its_image_keeps_its_tag(stack: Stack) -> None:
    amd64, arm64 = as_docker(build_image("list amd64")), as_docker(build_image("list arm64"))
    multi = a_docker_list(amd64, arm64)
    stack.push(multi, "prj/list", "multi")
    for accept in (DOCKER_MANIFEST, "*/*", f"{DOCKER_MANIFEST}, */*"):
        head = stack.request("HEAD", "prj/list/manifests/multi", headers={"Accept": accept})
        # 2.8 makes a manifest of the first version for who accepts nothing newer.
        if accept != "*/*":
            assert head.headers["Docker-Content-Digest"] == amd64.digest
    reader = {"Accept": ALL, "User-Agent": "reader"}  # not who has just pushed it
    stack.request("GET", f"prj/list/manifests/{multi.digest}", headers=reader)
    (pull,) = stack.events("pullImage", "prj/list")
    assert (pull["digest"], pull["tags"]) == (multi.digest, ["multi"])
    assert stack.request("DELETE", f"prj/list/manifests/{amd64.digest}").status_code == 202
    (delete,) = stack.events("deleteImage", "prj/list")
    assert (delete["digest"], delete["tag"], delete["tags"]) == (amd64.digest, "", [])


def test_a_tag_moved_past_the_sidecar_is_not_deleted(stack: Stack) -> None:
    image, other = build_image("moved"), build_image("moved other")
    stack.push(image, "prj/moved", "v1")
    stack.push(other, "prj/moved", "v1", past=True)
    assert stack.request("DELETE", f"prj/moved/manifests/{image.digest}").status_code == 202
    (delete,) = stack.events("deleteImage", "prj/moved")
    assert delete["tags"] == []
    assert delete["image_size"] == image_size(image)


def image_size(image: Artifact) -> int:
    document = json.loads(image.manifest)
    blobs = [document["config"], *document["layers"]]
    return len(image.manifest) + sum(int(blob["size"]) for blob in blobs)


def test_all_of_very_many_tags_are_named(stack: Stack) -> None:
    image, other = build_image("many"), build_image("many other")
    for tag in ("a-first", "zz-last"):
        stack.push(image, "prj/many", tag, past=True)
    stack.push(other, "prj/many", "base", past=True)
    with httpx.Client(trust_env=False) as client:
        for number in range(300):
            path = f"{stack.registry.url}/v2/prj/many/manifests/m{number}"
            client.put(path, content=other.manifest, headers={"Content-Type": other.media_type})
    assert stack.request("DELETE", f"prj/many/manifests/{image.digest}").status_code == 202
    (delete,) = stack.events("deleteImage", "prj/many")
    assert sorted(delete["tags"]) == ["a-first", "zz-last"]


def test_the_tag_of_a_delete_is_the_one_last_created_or_moved(stack: Stack) -> None:
    image = build_image("order")
    for tag in ("m-first", "z-second", "a-third", "m-first"):
        stack.push(image, "prj/order", tag)
    assert stack.request("DELETE", f"prj/order/manifests/{image.digest}").status_code == 202
    (delete,) = stack.events("deleteImage", "prj/order")
    assert (delete["tag"], delete["tags"]) == ("a-third", ["a-third", "z-second", "m-first"])


def test_a_signature_never_seen_before_is_deleted_without_an_event(stack: Stack) -> None:
    image, signature = build_image("signed"), build_image("its signature")
    stack.push(signature, "prj/signed", f"sha256-{'b' * 64}.sig", past=True)
    assert stack.request("DELETE", f"prj/signed/manifests/{signature.digest}").status_code == 202
    stack.push(image, "prj/signed", "v1")
    stack.events("pushImage", "prj/signed")
    assert [r for r in stack.receiver.requests if r.json()["event_type"] == "deleteImage"] == []


def odd_manifests(index: Artifact) -> dict[str, bytes]:
    plain = json.loads(index.manifest)
    words = {"manifests": "Manifests", "digest": "Digest", "size": "SIZE", "platform": "Platform"}
    words |= {
        "mediaType": "MediaType",
        "os": "Os",
        "architecture": "ARCHITECTURE",
        "schemaVersion": "SchemaVersion",
    }

    def renamed(value: Any) -> Any:
        if isinstance(value, dict):
            return {words.get(key, key): renamed(inner) for key, inner in value.items()}
        return [renamed(inner) for inner in value] if isinstance(value, list) else value

    text = json.dumps(plain)
    return {
        "latin-1": json.dumps(plain | {"annotations": {"a": "caf\u00e9"}}, ensure_ascii=False).encode(
            "latin-1"
        ),
        "pascal": json.dumps(renamed(plain)).encode(),
        "twice": (text[:1] + '"manifests": [], ' + text[1:]).encode(),
        "long number": (text[:1] + '"x": ' + "9" * 5000 + ", " + text[1:]).encode(),
        "surrogate": (text[:1] + '"annotations": {"a": "\\ud800"}, ' + text[1:]).encode(),
        "deep": (text[:1] + '"x": ' + "[" * 500 + "]" * 500 + ", " + text[1:]).encode(),
        "large": json.dumps(plain | {"annotations": {"a": "b" * 1_000_000}}).encode(),
        "bom": b"\xef\xbb\xbf" + text.encode(),
        "trailing": text.encode() + b" {}",
    }


def test_odd_json_is_read_as_the_registry_reads_it(stack: Stack) -> None:
    index = build_multi_platform("odd", platforms=("linux/amd64", "linux/arm64"))
    odd = odd_manifests(index)
    for number, (name, manifest) in enumerate(odd.items()):
        repository = f"prj/odd-{number}"
        for child in index.children:
            stack.push(child, repository, "base", past=True)
            path = f"{repository}/manifests/{child.digest}"
            stack.request("PUT", path, content=child.manifest, headers={"Content-Type": child.media_type})
        path = f"{repository}/manifests/v1"
        answer = stack.request("PUT", path, content=manifest, headers={"Content-Type": OCI_INDEX})
        print(name, answer.status_code)
        if name in {"bom", "trailing"}:
            assert answer.status_code == 400, name
            continue
        assert answer.status_code == 201, (name, answer.text)
        (event,) = stack.events("pushImage", repository)
        assert (event["tag"], event.get("platforms")) == ("v1", ["linux/amd64", "linux/arm64"]), name


def test_an_image_that_was_not_understood_is_still_pushed(stack: Stack) -> None:
    image = build_image("deep")
    stack.push(image, "prj/deep", "base", past=True)
    manifest = image.manifest[:1] + b'"x": ' + b"[" * 9000 + b"]" * 9000 + b", " + image.manifest[1:]
    answer = stack.request(
        "PUT", "prj/deep/manifests/v1", content=manifest, headers={"Content-Type": image.media_type}
    )
    assert answer.status_code == 201
    (event,) = stack.events("pushImage", "prj/deep")
    assert (event["tag"], event["digest"]) == ("v1", answer.headers["Docker-Content-Digest"])
