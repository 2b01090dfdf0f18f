"""Random SIGKILLs while clients push, delete and upload, and while the receiver fails now and then.

CRASH_KILLS sets how many kills there are (`make test`: a few; the release check: hundreds).
"""

import json
import os
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import httpx
import pytest

from tests.crash.support import SteppedSidecar, Upstreams
from tests.support.images import Artifact, build_chart, build_image, encode, upload
from tests.support.receiver import Answer, Received, Receiver
from tests.support.servers import policy

pytestmark = [pytest.mark.crash, pytest.mark.timeout(3600)]

_KILLS = int(os.environ.get("CRASH_KILLS", "12"))
_SEED = int(os.environ.get("CRASH_SEED", "1"))
_CLIENTS = 6
IMAGE = build_image("load")


@dataclass
class Load:
    """Clients that work until told to stop, through whatever happens to the sidecar."""

    url: str
    upstreams: Upstreams
    numbers: Iterator[int] = field(default_factory=count)
    done: list[tuple[str, str]] = field(default_factory=list)  #: (event type, name) of what was tried
    is_over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        operations: list[Callable[[httpx.Client, int], None]] = [self.push, self.push, self.delete]
        if self.upstreams.charts:
            operations.append(self.upload_chart)
        with httpx.Client(timeout=20, trust_env=False) as client:
            while not self.is_over.is_set():
                number = next(self.numbers)
                try:
                    operations[number % len(operations)](client, number)
                except httpx.TransportError:
                    time.sleep(0.02)  # the sidecar is being killed

    def push(self, client: httpx.Client, number: int) -> None:
        self.done.append(("pushImage", f"t{number}"))
        client.put(
            f"{self.url}/v2/prj/load/manifests/t{number}",
            content=IMAGE.manifest,
            headers={"Content-Type": IMAGE.media_type},
        )

    def delete(self, client: httpx.Client, number: int) -> None:
        image = one_of_a_kind(number)
        headers = {"Content-Type": image.media_type}
        direct = f"{self.upstreams.registry.url}/v2/prj/load/manifests/{image.digest}"
        httpx.put(direct, content=image.manifest, headers=headers, trust_env=False).raise_for_status()
        self.done.append(("deleteImage", image.digest))
        client.delete(f"{self.url}/v2/prj/load/manifests/{image.digest}")

    def upload_chart(self, client: httpx.Client, number: int) -> None:
        self.done.append(("uploadChart", f"load-{number}"))
        chart = build_chart(f"load-{number}", size=3000)
        client.post(f"{self.url}/api/prj/charts", content=chart.content)


def one_of_a_kind(number: int) -> Artifact:
    """The same image with an annotation, so that its digest is its own."""
    document = json.loads(IMAGE.manifest) | {"annotations": {"number": str(number)}}
    return Artifact(manifest=encode(document), media_type=IMAGE.media_type, blobs=IMAGE.blobs)


def was_accepted(upstreams: Upstreams, client: httpx.Client, operation: tuple[str, str]) -> bool:
    kind, name = operation
    if kind == "uploadChart":
        assert upstreams.charts
        return client.get(f"{upstreams.charts.url}/prj/charts/{name}-1.0.0.tgz").status_code == 200
    url = f"{upstreams.registry.url}/v2/prj/load/manifests/{name}"
    status = client.head(url, headers={"Accept": IMAGE.media_type}).status_code
    return status == (404 if kind == "deleteImage" else 200)


def ids_by_operation(received: list[Received]) -> dict[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for request in received:
        body = request.json()
        event = body["events"][0]
        name = {"pushImage": event["tag"], "deleteImage": event.get("digest", "")}.get(
            body["event_type"], event.get("chart_name", "")
        )
        found[(body["event_type"], name)].add(request.header("webhook-id"))
    return found


def test_nothing_accepted_is_lost(upstreams: Upstreams, tmp_path: Path) -> None:
    chance = random.Random(_SEED)

    def respond(_: Received) -> Answer:
        return Answer(
            status=500 if chance.random() < 0.1 else 200, delay_s=0.2 if chance.random() < 0.05 else 0
        )

    upload(IMAGE, registry_url=upstreams.registry.url, repository="prj/load", tag="base")
    with Receiver(respond) as receiver:
        sidecar = SteppedSidecar(
            tmp_path / "sidecar",
            registry=upstreams.registry.url,
            chart_repository=upstreams.charts.url if upstreams.charts else None,
            projects=[{"name": "prj", "webhook_policies": [policy(receiver.url)]}],
            settings={"notification": {"retry_waits_s": [0.1], "webhook_job_max_retry": 1000}},
        )
        sidecar.start()
        try:
            load = Load(sidecar.url, upstreams)
            clients = [threading.Thread(target=load.run) for _ in range(_CLIENTS)]
            for client in clients:
                client.start()
            for _ in range(_KILLS):
                time.sleep(chance.uniform(0.05, 0.8))
                sidecar.kill()
                sidecar.start()
            time.sleep(0.5)
            load.is_over.set()
            for client in clients:
                client.join()
            assert_all_delivered(load, upstreams, receiver)
        finally:
            sidecar.stop()


def assert_all_delivered(load: Load, upstreams: Upstreams, receiver: Receiver) -> None:
    with httpx.Client(timeout=20, trust_env=False) as client:
        accepted = {done for done in load.done if was_accepted(upstreams, client, done)}
    deadline = time.monotonic() + 60
    while (missing := accepted - ids_by_operation(receiver.requests).keys()) and time.monotonic() < deadline:
        time.sleep(0.2)
    print(f"{_KILLS} kills, {len(load.done)} operations, {len(accepted)} accepted, {len(missing)} lost")
    assert not missing, (
        f"{len(missing)} of {len(accepted)} accepted and never delivered: {sorted(missing)[:10]}"
    )
    assert {kind for kind, _ in accepted} >= {"pushImage", "deleteImage"}
    several = {done: ids for done, ids in ids_by_operation(receiver.requests).items() if len(ids) > 1}
    assert not several, f"one operation, several event ids: {several}"
