"""What image clients do, through the sidecar: same exit status and digest as without, one event each."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients.engines import Containerd, Dockerd
from tests.clients.journey import Done, Place, deleted, pulled, pushed
from tests.clients.seeds import a_journey, a_layout, seed
from tests.clients.stack import Stack
from tests.clients.tools import Crane, Ctr, Docker, Oras, Podman, Skopeo
from tests.support.images import (
    Artifact,
    build_attested,
    build_image,
    build_multi_platform,
    build_nested,
    write_docker_archive,
    write_oci_archive,
)

pytestmark = pytest.mark.clients

PLATFORMS = ["linux/amd64", "linux/arm64"]


def test_skopeo_pushes_pulls_and_deletes_an_image(stack: Stack, tmp_path: Path) -> None:
    skopeo = Skopeo(stack, tmp_path)
    image = build_image("skopeo", layers=3, layer_size=300_000)
    layout = a_layout(tmp_path, image)
    with a_journey(stack, "skopeo") as journey:
        journey.step("push", lambda at: skopeo.push(layout, at.tag("v1")), pushed("v1", tags=["v1"]))
        journey.step("push again", lambda at: skopeo.push(layout, at.tag("v1")), pushed("v1"))
        journey.step("pull", lambda at: skopeo.pull(at.tag("v1")), pulled("v1"))
        journey.step("pull by digest", lambda at: skopeo.pull(at.at(image.digest)), pulled())
        journey.step("push a second tag", lambda at: skopeo.push(layout, at.tag("v2")), pushed("v2"))
        journey.step(
            "delete",
            lambda at: skopeo.delete(at.tag("v2")),
            deleted("v2", digest=image.digest, image_size=image.size),
        )
        journey.step("pull what is gone", lambda at: skopeo.pull(at.tag("v1")), fails=True)


def test_skopeo_pushes_an_index(stack: Stack, tmp_path: Path) -> None:
    skopeo = Skopeo(stack, tmp_path)
    index = build_multi_platform("skopeo-index")
    layout = a_layout(tmp_path, index)
    with a_journey(stack, "skopeo-index") as journey:
        journey.step(
            "push --all",
            lambda at: skopeo.push(layout, at.tag("v1"), "--all"),
            pushed("v1", platforms=PLATFORMS, digest=index.digest),
        )
        journey.step("pull one platform", lambda at: skopeo.pull(at.tag("v1")), pulled("v1", **whole(index)))
        journey.step(
            "pull --all", lambda at: skopeo.pull(at.tag("v1"), "--all"), pulled("v1", digest=index.digest)
        )
        journey.step("delete", lambda at: skopeo.delete(at.tag("v1")), deleted("v1", digest=index.digest))


def whole(index: Artifact) -> dict[str, str]:
    """An event about the index although the client's own digest is a child's."""
    return {"digest": index.digest, "image_id": index.digest.removeprefix("sha256:")}


def test_skopeo_mounts_layers_from_another_repository(stack: Stack, tmp_path: Path) -> None:
    skopeo = Skopeo(stack, tmp_path)
    layout = a_layout(tmp_path, build_image("mount", layer_size=200_000))
    with a_journey(stack, "mount") as journey:
        journey.step("push", lambda at: skopeo.push(layout, at.tag("v1")), pushed("v1"))
        journey.step(
            "push the same elsewhere",
            lambda at: skopeo.push(layout, at.beside("/copy").tag("v1")),
            pushed("v1", beside="/copy"),
        )


@pytest.mark.parametrize("stack", ["v3-htpasswd", "v3-token"], indirect=True)
def test_a_refused_push_raises_nothing(stack: Stack, tmp_path: Path) -> None:
    skopeo = Skopeo(stack, tmp_path)
    layout = a_layout(tmp_path, build_image("refused"))
    with a_journey(stack, "refused") as journey:
        no_user = ("--dest-no-creds",)
        journey.step("push", lambda at: skopeo.push(layout, at.tag("v1"), *no_user), fails=True)


def test_crane_pushes_pulls_tags_and_deletes(stack: Stack, tmp_path: Path) -> None:
    crane = Crane(stack, tmp_path)
    image = build_image("crane", layers=2)
    layout = a_layout(tmp_path, image)
    with a_journey(stack, "crane") as journey:
        journey.step("push", lambda at: crane.push(layout, at.tag("v1")), pushed("v1"))
        journey.step("push again: it sends no manifest", lambda at: crane.push(layout, at.tag("v1")))
        journey.step("pull", lambda at: crane.pull(at.tag("v1")), pulled("v1"))
        journey.step("pull by digest", lambda at: crane.pull(at.at(image.digest)), pulled())
        journey.step("digest", lambda at: crane.run("digest", at.tag("v1")))
        journey.step(
            "tag", lambda at: crane.run("tag", at.tag("v1"), "v2"), pushed("v2", digest=image.digest)
        )
        journey.step(
            "delete a tag",
            lambda at: crane.run("delete", at.tag("v2")),
            *([deleted("v2")] if stack.deletes_tags else []),
            fails=not stack.deletes_tags,
        )
        journey.step(
            "delete", lambda at: crane.run("delete", at.at(image.digest)), deleted("v1", digest=image.digest)
        )


def test_crane_copies_between_repositories(stack: Stack, tmp_path: Path) -> None:
    crane = Crane(stack, tmp_path)
    layout = a_layout(tmp_path, build_image("copy"))
    with a_journey(stack, "crane-copy") as journey:
        journey.step("push", lambda at: crane.push(layout, at.tag("v1")), pushed("v1"))
        journey.step(
            "copy",
            lambda at: crane.run("copy", at.tag("v1"), at.beside("/copy").tag("v1")),
            pushed("v1", beside="/copy"),
            pulled("v1"),
        )


@pytest.mark.parametrize(
    ("build", "platforms"),
    [(build_multi_platform, PLATFORMS), (build_nested, PLATFORMS), (build_attested, ["linux/amd64"])],
    ids=["multi-platform", "nested", "attested"],
)
def test_crane_pushes_an_index(
    stack: Stack, tmp_path: Path, build: Callable[[str], Artifact], platforms: list[str]
) -> None:
    crane = Crane(stack, tmp_path)
    index = build("crane-index")
    layout = a_layout(tmp_path, index)
    with a_journey(stack, "crane-index") as journey:
        journey.step(
            "push --index",
            lambda at: crane.push(layout, at.tag("v1"), "--index"),
            pushed("v1", platforms=platforms),
        )
        journey.step("push again", lambda at: crane.push(layout, at.tag("v1"), "--index"))
        journey.step("pull", lambda at: crane.pull(at.tag("v1")), pulled("v1"))


def test_docker_pushes_and_pulls(stack: Stack, tmp_path: Path, dockerd: Dockerd) -> None:
    docker = Docker(stack, tmp_path, dockerd)
    # An image of its own, pulled afresh once: the engine keeps manifests in its content store for a while and
    # then asks for the tag with a HEAD only, from whichever registry it had the manifest.
    image = build_image(f"docker-{stack.through}-{tmp_path.name}", layers=2, layer_size=200_000)
    archive = write_docker_archive(tmp_path / "image.tar", image, name="made:v1")
    with a_journey(stack, "docker") as journey:
        journey.step("push", lambda at: docker.push(archive, "made:v1", at.tag("v1")), pushed("v1"))
        journey.step("push again", lambda at: docker.docker("push", at.tag("v1")), pushed("v1"))
        journey.step("pull", lambda at: docker.pull_afresh(at.tag("v1")), pulled("v1"))
        journey.step("pull what is here", lambda at: docker.docker("pull", at.tag("v1")))
        journey.step("pull what is not there", lambda at: docker.docker("pull", at.tag("v9")), fails=True)


def test_docker_pulls_an_index(stack: Stack, tmp_path: Path, dockerd: Dockerd) -> None:
    docker = Docker(stack, tmp_path, dockerd)
    index = build_multi_platform("docker-index")
    with a_journey(stack, "docker-index") as journey:
        seed(stack, tmp_path, index, (journey.through, journey.direct))
        journey.step("pull", lambda at: docker.pull_afresh(at.tag("v1")), pulled("v1", digest=index.digest))


def test_containerd_pushes_and_pulls_an_index(stack: Stack, tmp_path: Path, containerd: Containerd) -> None:
    ctr = Ctr(stack, tmp_path, containerd)
    index = build_multi_platform("containerd")

    def load_and_push(at: Place) -> Done:
        archive = write_oci_archive(tmp_path / "image.tar", index, name=at.tag("v1"))
        loaded = ctr.images("import", "--all-platforms", "--snapshotter=native", "--no-unpack", archive)
        return ctr.push(at.tag("v1")) if loaded.status == 0 else loaded

    with a_journey(stack, "containerd") as journey:
        journey.step("push", load_and_push, pushed("v1", platforms=PLATFORMS, digest=index.digest))
        journey.step("push again: it sends no manifest", lambda at: ctr.push(at.tag("v1")))
        pull = pulled("v1", digest=index.digest)
        journey.step("pull, and pull what is here", lambda at: ctr.pull_twice(at.tag("v1")), pull)


def test_podman_and_buildah_push_and_pull(stack: Stack, tmp_path: Path, run_folder: Path) -> None:
    podman = Podman(stack, tmp_path, run_folder)
    archive = write_docker_archive(
        tmp_path / "image.tar", build_image("podman", layers=2), name="localhost/made:v1"
    )
    assert podman.load(archive).status == 0
    with a_journey(stack, "podman") as journey:
        journey.step("podman push", lambda at: podman.push("localhost/made:v1", at.tag("v1")), pushed("v1"))
        journey.step(
            "buildah push",
            lambda at: podman.push("localhost/made:v1", at.tag("v2"), program="buildah"),
            pushed("v2"),
        )
        journey.step("podman pull", lambda at: podman.pull_afresh(at.tag("v1")), pulled("v1"))


def test_oras_pushes_tags_attaches_and_deletes(stack: Stack, tmp_path: Path) -> None:
    oras = Oras(stack, tmp_path)
    (tmp_path / "hi.txt").write_text("hi")
    (tmp_path / "note.txt").write_text("a note")
    kind = "--artifact-type=application/vnd.example.hi"

    def push(at: Place) -> Done:
        return oras.oras("push", kind, oras.CREATED, at.tag("v1"), "hi.txt:text/plain")

    def attach(at: Place) -> Done:
        return oras.oras("attach", kind, oras.CREATED, at.tag("v1"), "note.txt:text/plain")

    with a_journey(stack, "oras") as journey:
        digest = journey.step("push", push, pushed("v1")).digest
        journey.step("push again", push, pushed("v1"))
        journey.step(
            "pull",
            lambda at: oras.oras("pull", f"--output={oras.output_folder()}", at.tag("v1")),
            pulled("v1"),
        )
        journey.step("attach", attach)
        journey.step("discover", lambda at: oras.oras("discover", at.tag("v1")))
        journey.step("tag", lambda at: oras.oras("tag", at.tag("v1"), "v2"), pushed("v2", digest=digest))
        journey.step(
            "delete",
            lambda at: oras.oras("manifest delete", "--force", at.at(digest)),
            deleted(digest=digest),
        )


def test_oras_copies_with_what_is_attached(stack: Stack, tmp_path: Path) -> None:
    oras = Oras(stack, tmp_path)
    (tmp_path / "note.txt").write_text("a note")
    image = build_multi_platform("oras-copy")
    layout = a_layout(tmp_path, image)
    skopeo = Skopeo(stack, tmp_path)
    kind = "--artifact-type=application/vnd.example.note"
    with a_journey(stack, "oras-copy") as journey:
        journey.step("push", lambda at: skopeo.push(layout, at.tag("v1"), "--all"), pushed("v1"))
        journey.step(
            "attach", lambda at: oras.oras("attach", kind, oras.CREATED, at.tag("v1"), "note.txt:text/plain")
        )
        journey.step(
            "copy",
            lambda at: oras.copy(at.tag("v1"), at.beside("/copy").tag("v1")),
            pushed("v1", beside="/copy", digest=image.digest, platforms=PLATFORMS),
            pulled("v1", digest=image.digest),
        )
