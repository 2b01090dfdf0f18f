"""What the crash tests start: a sidecar that can be killed cheaply, and real upstreams."""

import json
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, TypeVar

import httpx

from tests.crash import stepper
from tests.support.images import Artifact, encode, upload
from tests.support.process import wait_until
from tests.support.receiver import Receiver
from tests.support.servers import ChartMuseum, Registry, Sidecar, policy

S = TypeVar("S", bound=Sidecar)


class SteppedSidecar(Sidecar):
    """The sidecar that kills itself at a step."""

    kill_at = 0
    _stepping: ForkServerProcess

    def start(self) -> None:
        self.begin()
        self.until_ready()

    def begin(self) -> None:
        self._stepping = stepper.start(self.configuration, kill_at=self.kill_at, log=self.log)

    def until_ready(self) -> None:
        wait_until(self.is_ready, 30, what="the stepping sidecar to be ready")

    def arm(self) -> None:
        (self.folder / "armed").touch()

    def was_killed(self) -> bool:
        """Whether it killed itself; its last steps come after the client has its answer."""
        self._stepping.join(2)
        return not self._stepping.is_alive()

    def kill(self) -> int:
        self._stepping.kill()
        self._stepping.join(10)
        return self._stepping.exitcode or 0

    def stop(self, timeout_s: float = 10) -> int:
        self._stepping.terminate()
        self._stepping.join(timeout_s)
        return self.kill()

    @property
    def steps(self) -> list[str]:
        return (self.folder / "steps").read_text().splitlines()


@dataclass(frozen=True, slots=True)
class Upstreams:
    registry: Registry
    charts: ChartMuseum | None


def variant(image: Artifact, name: str) -> Artifact:
    """The same image with an annotation, so that its digest is its own."""
    document = json.loads(image.manifest) | {"annotations": {"name": name}}
    return Artifact(manifest=encode(document), media_type=image.media_type, blobs=image.blobs)


def ask(method: str, url: str, **more: Any) -> httpx.Response:
    # verify: reading the system's certificates takes longer than all the rest.
    return httpx.request(method, url, trust_env=False, verify=False, timeout=20, **more)


def put_manifest(sidecar: Sidecar, tag: str, image: Artifact) -> httpx.Response:
    """Push to the tag of prj/app; its blobs are there."""
    url, headers = f"{sidecar.url}/v2/prj/app/manifests/{tag}", {"Content-Type": image.media_type}
    return ask("PUT", url, content=image.manifest, headers=headers)


def sidecar_before(
    upstreams: Upstreams, kind: type[S], folder: Path, receiver: Receiver, image: Artifact, **settings: Any
) -> S:
    """With one policy, for all of the project; the image is there as prj/app:base."""
    upload(image, registry_url=upstreams.registry.url, repository="prj/app", tag="base")
    return kind(
        folder / "sidecar",
        registry=upstreams.registry.url,
        projects=[{"name": "prj", "webhook_policies": [policy(receiver.url)]}],
        settings=settings,
    )
