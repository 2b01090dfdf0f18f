"""The demonstration: seven actions of ordinary clients, each followed by its webhook."""

import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from demo import screen
from tests.support.images import Artifact, Chart, build_chart, build_image, write_layout
from tests.support.process import ROOT, environment, find_program, is_installed
from tests.support.receiver import Answer, Received

WAIT_S = 30.0
IMAGE_EVENTS = ("pushImage", "pullImage", "deleteImage")
CHART_EVENTS = ("uploadChart", "downloadChart", "deleteChart", "projectQuota")
#: ChartMuseum takes 20 MiB.
TOO_LARGE_BYTES = 21 * 1024 * 1024
OWN_CLIENT = ("python", "-m", "demo.client")


@dataclass
class Stage:
    """The setting of the demonstration: a folder for its files, the sidecar's host:port, the events so far."""

    folder: Path
    host: str
    arrived: list[str] = field(default_factory=list)
    began: float = 0

    def on_webhook(self, received: Received) -> Answer:
        payload = received.json()
        screen.event(payload, headline=f"after {time.monotonic() - self.began:.1f} s")
        self.arrived.append(payload["event_type"])
        return Answer()

    def run(self, *words: str) -> None:
        """Run a command as a user would type it, and show its output when it fails."""
        screen.command(" ".join(words))
        self.began = time.monotonic()
        done = subprocess.run(  # noqa: S603 - the words are those of this file
            [sys.executable if words[0] == "python" else find_program(words[0]), *words[1:]],
            cwd=self.folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode:
            screen.problem(
                f"{words[0]} ended with status {done.returncode}: {(done.stderr or done.stdout).strip()}"
            )

    def expect(self, event_type: str) -> None:
        deadline = time.monotonic() + WAIT_S
        while event_type not in self.arrived:
            if time.monotonic() > deadline:
                screen.problem(f"no {event_type} within {WAIT_S:.0f} s")
                return
            time.sleep(0.05)

    def _environment(self) -> dict[str, str]:
        homes = {
            f"HELM_{kind}_HOME": str(self.folder / f"helm-{kind}") for kind in ("CONFIG", "CACHE", "DATA")
        }
        return environment(DOCKER_CONFIG=str(self.folder / "docker"), PYTHONPATH=str(ROOT), **homes)


def play_image(stage: Stage) -> None:
    screen.title("An image")
    image = build_image("hello", layers=2, layer_size=200_000)
    write_layout(stage.folder / "hello", image, tag="v1")
    _act(stage, zip(image_commands(image, stage.host), IMAGE_EVENTS, strict=True))


def play_chart(stage: Stage) -> None:
    screen.title("A chart")
    chart = build_chart("hello-chart", "1.0.0", appVersion="2.1", description="made for the demo")
    chart.write(stage.folder)
    (stage.folder / "pulled-chart").mkdir()
    (stage.folder / "too-large.tgz").write_bytes(bytes(TOO_LARGE_BYTES))
    _act(stage, zip(chart_commands(chart, f"http://{stage.host}"), CHART_EVENTS, strict=True))


def missing_events(stage: Stage) -> list[str]:
    return [name for name in (*IMAGE_EVENTS, *CHART_EVENTS) if name not in stage.arrived]


def image_commands(image: Artifact, host: str) -> Sequence[Sequence[str]]:
    """Push, pull and delete, with crane, else skopeo, else `demo.client`."""
    name = f"{host}/prj/hello"
    if is_installed("crane"):
        return (
            ("crane", "push", "hello", f"{name}:v1"),
            ("crane", "pull", f"{name}:v1", "hello.tar"),
            ("crane", "delete", f"{name}@{image.digest}"),
        )
    if not is_installed("skopeo"):
        return (
            (*OWN_CLIENT, "push", "hello", f"{name}:v1"),
            (*OWN_CLIENT, "pull", f"{name}:v1", "pulled"),
            (*OWN_CLIENT, "delete", f"{name}@{image.digest}"),
        )
    copy = ("skopeo", "--insecure-policy", "copy", "-q")
    return (
        (*copy, "--dest-tls-verify=false", "oci:hello:v1", f"docker://{name}:v1"),
        (*copy, "--src-tls-verify=false", f"docker://{name}:v1", "dir:pulled"),
        ("skopeo", "--insecure-policy", "delete", "--tls-verify=false", f"docker://{name}:v1"),
    )


def chart_commands(chart: Chart, url: str) -> Sequence[Sequence[str]]:
    """Upload, download and delete, with curl and helm where they are; upload what is refused for its size."""
    charts, file = f"{url}/api/prj/charts", f"{url}/prj/charts/{chart.file_name}"
    version = f"{charts}/{chart.name}/{chart.version}"
    if is_installed("curl"):
        curl = ("curl", "-sS", "--fail")
        upload: Sequence[str] = (*curl, "-o", "saved.json", "--data-binary", f"@{chart.file_name}", charts)
        download: Sequence[str] = (*curl, "-o", "pulled.tgz", file)
        delete: Sequence[str] = (*curl, "-o", "deleted.json", "-X", "DELETE", version)
        offer: Sequence[str] = ("curl", "-sS", "-o", "refused.txt", "--data-binary", "@too-large.tgz", charts)
    else:
        upload = (*OWN_CLIENT, "upload", chart.file_name, charts)
        download = (*OWN_CLIENT, "download", "pulled.tgz", file)
        delete = (*OWN_CLIENT, "remove", version)
        offer = (*OWN_CLIENT, "offer", "too-large.tgz", charts)
    if is_installed("helm"):
        download = ("helm", "pull", chart.name, "--repo", f"{url}/prj", "--destination", "pulled-chart")
    return upload, download, delete, offer


def _act(stage: Stage, scenes: Iterable[tuple[Sequence[str], str]]) -> None:
    for words, event_type in scenes:
        stage.run(*words)
        stage.expect(event_type)
