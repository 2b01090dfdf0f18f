"""How each client pushes something of its own, again and again, to any place and under any tag."""

import os
import random
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.clients.engines import Containerd, Dockerd
from tests.clients.journey import Done, Place
from tests.clients.seeds import a_layout
from tests.clients.stack import Stack
from tests.clients.tools import Crane, Ctr, Docker, Helm, Oras, Podman, Skopeo
from tests.support.images import Artifact, build_chart, build_image, write_docker_archive, write_oci_archive

#: A layer; more than what nginx is told to take, and no config is.
SIZE = 200_000
LAYERS = 3

Push = Callable[[Place, str], Done]


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What a client pushes from; a place of its own for each that runs at the same time."""

    stack: Stack
    folder: Path
    seed: str
    dockerd: Callable[[], Dockerd]
    containerd: Callable[[], Containerd]
    closing: ExitStack
    patience_s: float | None = None  #: then a client that hangs is ended

    def image(self) -> Artifact:
        return build_image(self.seed, layers=LAYERS, layer_size=SIZE)


def with_skopeo(desk: Desk) -> Push:
    skopeo, layout = Skopeo(desk.stack, desk.folder), a_layout(desk.folder, desk.image())
    return lambda at, tag: skopeo.push(layout, at.tag(tag))


def with_crane(desk: Desk) -> Push:
    crane, layout = Crane(desk.stack, desk.folder), a_layout(desk.folder, desk.image())
    return lambda at, tag: crane.push(layout, at.tag(tag))


def with_oras(desk: Desk) -> Push:
    oras = Oras(desk.stack, desk.folder)
    names = [f"part-{number}.bin" for number in range(LAYERS)]
    for name in names:
        (desk.folder / name).write_bytes(random.Random(desk.seed + name).randbytes(SIZE))
    return lambda at, tag: oras.oras("push", oras.CREATED, at.tag(tag), *names)


def with_helm(desk: Desk) -> Push:
    """The tag is the chart's version, whatever is asked for, and its name the last part of the repository."""
    helm = Helm(desk.stack, desk.folder)
    # Its content is hexadecimal: half of that is left of it.
    path = build_chart("web", "1.0.0", size=2 * SIZE).write(desk.folder)
    os.utime(path, (0, 0))  # which helm writes into the manifest
    return lambda at, _: helm.push(path, at)


def with_podman(desk: Desk) -> Push:
    run_folder = Path(desk.closing.enter_context(tempfile.TemporaryDirectory(prefix="run-")))
    podman = Podman(desk.stack, desk.folder, run_folder)
    archive = write_docker_archive(desk.folder / "image.tar", desk.image(), name="localhost/made:v1")
    loaded = podman.load(archive)
    assert loaded.status == 0, loaded.output
    return lambda at, tag: podman.push("localhost/made:v1", at.tag(tag))


def with_docker(desk: Desk) -> Push:
    docker = Docker(desk.stack, desk.folder, desk.dockerd())
    name = f"{desk.seed}:v1".lower()
    archive = write_docker_archive(desk.folder / "image.tar", desk.image(), name=name)
    loaded = docker.docker("load", "--input", archive)
    assert loaded.status == 0, loaded.output

    def push(at: Place, tag: str) -> Done:
        docker.docker("tag", name, at.tag(tag))
        return docker.docker("push", at.tag(tag))

    return push


def with_ctr(desk: Desk) -> Push:
    ctr = Ctr(desk.stack, desk.folder, desk.containerd())
    image = desk.image()

    def push(at: Place, tag: str) -> Done:
        archive = write_oci_archive(desk.folder / "image.tar", image, name=at.tag(tag))
        loaded = ctr.images("import", "--snapshotter=native", "--no-unpack", archive)
        return ctr.push(at.tag(tag)) if loaded.status == 0 else loaded

    return push if desk.patience_s is None else _ended_after(push, ctr, desk.patience_s)


def _ended_after(push: Push, tool: Ctr, patience_s: float) -> Push:
    """A push that ends in any case, and of which is told only whether it succeeded."""
    tool.ended_after_s = patience_s

    def patient(at: Place, tag: str) -> Done:
        return Done(status=1 if push(at, tag).status else 0)

    return patient


CLIENTS: Mapping[str, Callable[[Desk], Push]] = {
    "docker": with_docker,
    "podman": with_podman,
    "skopeo": with_skopeo,
    "crane": with_crane,
    "oras": with_oras,
    "ctr": with_ctr,
    "helm": with_helm,
}
