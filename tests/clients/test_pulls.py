"""So many pulls, so many events; what only prepares a push is none. With the clients that people use."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.clients.engines import Containerd, Dockerd
from tests.clients.journey import Done, Journey, Place, pulled, pushed
from tests.clients.seeds import a_journey, a_layout, seed
from tests.clients.stack import Stack, running_stack
from tests.clients.tools import Crane, Ctr, Docker, Oras, Podman, Skopeo, at_once
from tests.support.images import (
    INDEX,
    MANIFEST,
    Artifact,
    build_image,
    build_multi_platform,
    digest_of,
    encode,
    upload_with,
)

pytestmark = pytest.mark.clients

open_registries = pytest.mark.parametrize("stack", ["v3-open", "2.8-open"], indirect=True)
both_ways = pytest.mark.parametrize("stack", ["v3-open", "v3-token"], indirect=True)

TEN = 10
PLATFORMS = ["linux/amd64", "linux/arm64"]


def two_images(journey: Journey, folder: Path, *flags: str) -> tuple[Artifact, Artifact]:
    """`amd` and `arm` of a journey's repository, past the sidecar."""
    images = [build_image(journey.through.repository, platform=platform) for platform in PLATFORMS]
    for tag, image in zip(("amd", "arm"), images, strict=True):
        seed(journey.stack, folder, image, (journey.through, journey.direct), tag, *flags)
    return images[0], images[1]


@open_registries
def test_ten_skopeo_at_once_are_ten_pulls(stack: Stack, tmp_path: Path) -> None:
    skopeo = Skopeo(stack, tmp_path)
    image, index = build_image("ten", layers=2), build_multi_platform("ten")
    with a_journey(stack, "ten-skopeo") as journey:
        seed(stack, tmp_path, image, (journey.through, journey.direct))
        seed(stack, tmp_path, index, (journey.through, journey.direct), "multi")
        journey.step(
            "of a tag", lambda at: at_once(TEN, lambda: skopeo.pull(at.tag("v1"))), *[pulled("v1")] * TEN
        )
        journey.step(
            "of a digest",
            lambda at: at_once(TEN, lambda: skopeo.pull(at.at(image.digest))),
            *[pulled()] * TEN,
        )
        journey.step(
            "of every platform",
            lambda at: at_once(TEN, lambda: skopeo.pull(at.tag("multi"), "--all")),
            *[pulled("multi", digest=index.digest)] * TEN,
        )


@both_ways
def test_ten_crane_at_once_are_ten_pulls(stack: Stack, tmp_path: Path) -> None:
    crane = Crane(stack, tmp_path)
    with a_journey(stack, "ten-crane") as journey:
        seed(stack, tmp_path, build_image("ten", layers=2), (journey.through, journey.direct))
        journey.step("pull", lambda at: at_once(TEN, lambda: crane.pull(at.tag("v1"))), *[pulled("v1")] * TEN)


@both_ways
def test_podman_at_once_are_so_many_pulls_though_it_has_the_layers_soon(
    stack: Stack, tmp_path: Path, run_folder: Path
) -> None:
    podman = Podman(stack, tmp_path, run_folder)
    with a_journey(stack, "podman-at-once") as journey:
        seed(stack, tmp_path, build_image("podman-at-once"), (journey.through, journey.direct))
        journey.step("pull", lambda at: at_once(4, lambda: podman.pull(at.tag("v1"))), *[pulled("v1")] * 4)


@both_ways
def test_containerd_pulls_two_tags_of_one_digest_in_a_row(
    stack: Stack, tmp_path: Path, containerd: Containerd
) -> None:
    ctr = Ctr(stack, tmp_path, containerd)
    image = build_image("two-tags")
    with a_journey(stack, "two-tags") as journey:
        for tag in ("v1", "v2"):
            seed(stack, tmp_path, image, (journey.through,), tag)
        for tag in ("v1", "v2"):
            done = ctr.pull_afresh(journey.through.tag(tag))
            assert done.status == 0, done.output
        journey.expect("pull", *(pulled(tag, digest=image.digest) for tag in ("v1", "v2")))


@open_registries
def test_two_nodes_behind_one_address_pull_two_tags_of_one_digest(stack: Stack, tmp_path: Path) -> None:
    """As two dockers do it, in an order that two of them cannot be made to keep."""
    image = build_image("two-nodes")
    with a_journey(stack, "two-nodes") as journey:
        for tag in ("v1", "v2"):
            seed(stack, tmp_path, image, (journey.through,), tag)
        manifests = f"http://{stack.through}/v2/{journey.through.repository}/manifests"
        headers = {"User-Agent": "docker/20.10.24", "Connection": "close", "Accept": MANIFEST}
        for method, reference in (
            ("HEAD", "v1"),
            ("HEAD", "v2"),
            ("GET", image.digest),
            ("GET", image.digest),
        ):
            httpx.request(
                method, f"{manifests}/{reference}", headers=headers, trust_env=False
            ).raise_for_status()
        journey.expect("pull", *[pulled(digest=image.digest)] * 2)
        tags = sorted(event["tag"] for event in stack.events_of(journey.through.repository))
        assert tags == ["v1", "v2"]


@both_ways
def test_an_index_made_of_what_is_there_is_one_push(stack: Stack, tmp_path: Path) -> None:
    crane, oras = Crane(stack, tmp_path), Oras(stack, tmp_path)

    def append(at: Place) -> Done:
        return crane.run("index", "append", "-m", at.tag("amd"), "-m", at.tag("arm"), "-t", at.tag("crane"))

    def nest(at: Place) -> Done:
        return crane.run("index", "append", at.tag("crane"), "-m", at.tag("arm"), "-t", at.tag("nested"))

    def create(at: Place) -> Done:
        return oras.oras("manifest index create", at.tag("oras"), "amd", "arm")

    with a_journey(stack, "index") as journey:
        two_images(journey, tmp_path)
        journey.step("crane index append", append, pushed("crane", platforms=PLATFORMS))
        journey.step("crane index append to an index", nest, pushed("nested"))
        journey.step("oras manifest index create", create, pushed("oras", platforms=PLATFORMS))


@pytest.fixture
def patient_stack(tmp_path: Path) -> Iterator[Stack]:
    """Holds pulls as long as by default and a bit longer: two commands follow each other here."""
    with running_stack("v3-open", tmp_path / "patient", pull_hold_s=5) as running:
        yield running


def test_docker_manifest_create_and_push_is_one_push(
    patient_stack: Stack, tmp_path: Path, dockerd: Dockerd
) -> None:
    docker = Docker(patient_stack, tmp_path, dockerd)

    def create_and_push(at: Place) -> Done:
        made = docker.docker("manifest", "create", "--insecure", at.tag("v1"), at.tag("amd"), at.tag("arm"))
        return docker.docker("manifest", "push", "--insecure", at.tag("v1")) if made.status == 0 else made

    with a_journey(patient_stack, "docker-manifest") as journey:
        two_images(journey, tmp_path, "--format=v2s2")
        journey.step("manifest create, push", create_and_push, pushed("v1", platforms=PLATFORMS))
        seed(
            patient_stack,
            tmp_path,
            build_multi_platform("inspect"),
            (journey.through, journey.direct),
            "list",
        )
        journey.step(
            "manifest inspect asks three times",
            lambda at: docker.docker("manifest", "inspect", "--insecure", at.tag("list")),
            pulled("list"),
            fails=True,  # its manifests are OCI's, which this docker does not know
        )


@both_ways
def test_crane_makes_an_image_of_another_in_its_repository(stack: Stack, tmp_path: Path) -> None:
    crane = Crane(stack, tmp_path)
    (tmp_path / "empty.tar").write_bytes(b"\0" * 10240)
    index = build_multi_platform("made-of")
    with a_journey(stack, "made-of") as journey:
        two_images(journey, tmp_path)
        seed(stack, tmp_path, index, (journey.through, journey.direct), "multi")
        journey.step(
            "append",
            lambda at: crane.run("append", "-b", at.tag("amd"), "-f", "empty.tar", "-t", at.tag("more")),
            pushed("more"),
        )
        journey.step(
            "mutate",
            lambda at: crane.run("mutate", at.tag("amd"), "--label=a=b", "-t", at.tag("labelled")),
            pushed("labelled"),
        )
        journey.step(
            "copy to another tag",
            lambda at: crane.run("copy", at.tag("multi"), at.tag("again")),
            pushed("again", digest=index.digest),
        )


def cosign(at: Place, requests: httpx.Client, image: Artifact) -> Done:
    """As cosign signs: it reads the subject and the signatures so far, and puts the new list."""
    folder, hidden = f"http://{at.host}/v2/{at.repository}", image.digest.replace(":", "-")
    requests.get(f"{folder}/manifests/v1", headers={"Accept": MANIFEST}).raise_for_status()
    assert requests.get(f"{folder}/manifests/{hidden}.sig").status_code == 404
    upload_with(requests, build_image("signature"), folder, tag=f"{hidden}.sig")
    return Done(status=0)


def attach(at: Place, requests: httpx.Client, image: Artifact) -> Done:
    """As notation and newer cosign: the signature names its subject, and a tag stands for the API."""
    folder = f"http://{at.host}/v2/{at.repository}"
    requests.get(f"{folder}/manifests/v1", headers={"Accept": MANIFEST}).raise_for_status()
    subject = {"mediaType": MANIFEST, "digest": image.digest, "size": len(image.manifest)}
    signature = encode({**httpx.Response(200, content=image.manifest).json(), "subject": subject})
    put = requests.put(
        f"{folder}/manifests/{digest_of(signature)}", content=signature, headers={"Content-Type": MANIFEST}
    )
    put.raise_for_status()
    listed = encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": []})
    for tag in (image.digest.replace(":", "-"), "sha512-" + "0a" * 32):
        headers = {"Content-Type": INDEX}
        requests.put(f"{folder}/manifests/{tag}", content=listed, headers=headers).raise_for_status()
    return Done(status=0)


def look(at: Place, requests: httpx.Client, image: Artifact) -> Done:
    """HEAD, conditional GET and the API of referrers."""
    folder = f"http://{at.host}/v2/{at.repository}"
    requests.head(f"{folder}/manifests/v1", headers={"Accept": MANIFEST}).raise_for_status()
    unchanged = {"Accept": MANIFEST, "If-None-Match": f'"{image.digest}"'}
    assert requests.get(f"{folder}/manifests/v1", headers=unchanged).status_code == 304
    requests.get(f"{folder}/referrers/{image.digest}")
    return Done(status=0)


def ask_thrice(at: Place, requests: httpx.Client, image: Artifact) -> Done:
    folder = f"http://{at.host}/v2/{at.repository}"
    for reference in ("v1", image.digest, "v1"):
        requests.get(f"{folder}/manifests/{reference}", headers={"Accept": MANIFEST}).raise_for_status()
    return Done(status=0)


@open_registries
def test_signing_and_looking_are_no_pulls_and_asking_thrice_is_one(stack: Stack, tmp_path: Path) -> None:
    image = build_image("signed")
    name = image.digest.replace(":", "-") + ".imgpkg"
    with a_journey(stack, "signed") as journey, httpx.Client(trust_env=False) as requests:
        seed(stack, tmp_path, image, (journey.through, journey.direct))
        journey.step("sign", lambda at: cosign(at, requests, image))
        journey.step("attach", lambda at: attach(at, requests, image))
        journey.step("look", lambda at: look(at, requests, image))
        journey.step("ask", lambda at: ask_thrice(at, requests, image), pulled("v1"))
        layout = a_layout(tmp_path, image)
        skopeo = Skopeo(stack, tmp_path)
        journey.step("tag as imgpkg does", lambda at: skopeo.push(layout, at.tag(name)), pushed(name))


@open_registries
def test_harbors_own_client_pulls_unnoticed(stack: Stack, tmp_path: Path) -> None:
    image = build_image("harbor")
    agent = {"User-Agent": "harbor-registry-client"}
    with a_journey(stack, "harbor") as journey, httpx.Client(trust_env=False, headers=agent) as requests:
        seed(stack, tmp_path, image, (journey.through, journey.direct))
        journey.step("pull", lambda at: ask_thrice(at, requests, image))
