"""Random SIGKILLs while clients push, delete and upload, and while the receiver fails now and then.

CRASH_KILLS sets how many kills there are (`make test`: dozens; the release check: hundreds), CRASH_SEED
which. Upstreams are real. Some kills come while the sidecar is still starting.
"""

import os
import random
import sqlite3
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.crash.support import SteppedSidecar, Upstreams, variant
from tests.support.images import Artifact, build_chart, build_image, upload
from tests.support.process import wait_until
from tests.support.receiver import Answer, Received, Receiver
from tests.support.servers import policy

pytestmark = [pytest.mark.crash, pytest.mark.timeout(3600)]

_KILLS = int(os.environ.get("CRASH_KILLS", "50"))
_SEED = int(os.environ.get("CRASH_SEED", "1"))
_CLIENTS = 6
_REPOSITORIES = tuple(f"prj/{work}-{n}" for work in ("push", "same", "delete", "untag") for n in range(3))
IMAGE = build_image("load")


@dataclass(frozen=True, slots=True)
class Operation:
    """What a client tried, and how the upstream tells afterwards whether it was accepted."""

    event_type: str
    name: str  #: of the event that it must raise: digest, or chart name
    url: str  #: on the upstream
    accepted: int  #: the upstream's status for that URL once it was accepted


@dataclass
class Load:
    """Clients that work until told to stop, through whatever happens to the sidecar."""

    url: str
    upstreams: Upstreams
    numbers: Iterator[int] = field(default_factory=count)
    tried: list[Operation] = field(default_factory=list)
    faults: list[Exception] = field(default_factory=list)  #: of these clients themselves
    is_over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        operations: list[Callable[[httpx.Client, int], None]] = [
            self.push,
            self.push_to_the_same_tag,
            self.delete,
            self.untag,
        ]
        if self.upstreams.charts:
            operations += [self.upload_chart, self.delete_chart]
        with httpx.Client(timeout=20, trust_env=False) as client:
            while not self.is_over.is_set():
                number = next(self.numbers)
                try:
                    operations[number % len(operations)](client, number)
                except httpx.TransportError:
                    time.sleep(0.02)  # the sidecar is being killed
                except Exception as fault:  # noqa: BLE001  # raised again by the test
                    self.faults.append(fault)
                    return

    def push(self, client: httpx.Client, number: int) -> None:
        image, path = variant(IMAGE, str(number)), f"/v2/prj/push-{number % 3}/manifests/t{number}"
        self._try("pushImage", image.digest, path, accepted=200)
        put(client, self.url + path, image)

    def push_to_the_same_tag(self, client: httpx.Client, number: int) -> None:
        image, path = variant(IMAGE, str(number)), f"/v2/prj/same-{number % 3}/manifests"
        self._try("pushImage", image.digest, f"{path}/{image.digest}", accepted=200)
        put(client, f"{self.url}{path}/latest", image)

    def delete(self, client: httpx.Client, number: int) -> None:
        image, path = variant(IMAGE, str(number)), f"/v2/prj/delete-{number % 3}/manifests"
        put(client, f"{self.upstreams.registry.url}{path}/t{number}", image).raise_for_status()
        self._try("deleteImage", image.digest, f"{path}/{image.digest}", accepted=404)
        client.delete(f"{self.url}{path}/{image.digest}")

    def untag(self, client: httpx.Client, number: int) -> None:
        image, path = variant(IMAGE, str(number)), f"/v2/prj/untag-{number % 3}/manifests/t{number}"
        put(client, self.upstreams.registry.url + path, image).raise_for_status()
        self._try("deleteImage", image.digest, path, accepted=404)
        client.delete(self.url + path)

    def upload_chart(self, client: httpx.Client, number: int) -> None:
        chart = build_chart(f"up-{number}", size=3000)
        self._try_chart("uploadChart", chart.name, accepted=200)
        client.post(f"{self.url}/api/prj/charts", content=chart.content)

    def delete_chart(self, client: httpx.Client, number: int) -> None:
        assert self.upstreams.charts
        chart = build_chart(f"down-{number}", size=3000)
        direct = f"{self.upstreams.charts.url}/api/prj/charts"
        client.post(direct, content=chart.content).raise_for_status()
        self._try_chart("deleteChart", chart.name, accepted=404)
        client.delete(f"{self.url}/api/prj/charts/{chart.name}/1.0.0")

    def _try(self, event_type: str, digest: str, path: str, *, accepted: int) -> None:
        self.tried.append(Operation(event_type, digest, self.upstreams.registry.url + path, accepted))

    def _try_chart(self, event_type: str, name: str, *, accepted: int) -> None:
        assert self.upstreams.charts
        url = f"{self.upstreams.charts.url}/prj/charts/{name}-1.0.0.tgz"
        self.tried.append(Operation(event_type, name, url, accepted))


def put(client: httpx.Client, url: str, image: Artifact) -> httpx.Response:
    return client.put(url, content=image.manifest, headers={"Content-Type": image.media_type})


class Unreliable:
    """A receiver's answers: failures, delays, and connections closed over a request that it has."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.accepted: Counter[str] = Counter()  #: deliveries that were answered 200, how often

    def __call__(self, request: Received) -> Answer:
        drawn = self._chance.random()
        if drawn < 0.1:
            return Answer(status=500)
        if drawn < 0.13:
            return Answer(raw=b"")
        self.accepted[request.header("X-Sidecar-Delivery-Id")] += 1
        return Answer(delay_s=0.2 if drawn < 0.2 else 0)


def test_nothing_accepted_is_lost(upstreams: Upstreams, tmp_path: Path) -> None:
    chance = random.Random(_SEED)
    unreliable = Unreliable(random.Random(_SEED))
    for repository in _REPOSITORIES:
        upload(IMAGE, registry_url=upstreams.registry.url, repository=repository, tag="base")
    with Receiver(unreliable) as receiver:
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
            kill_again_and_again(sidecar, chance)
            time.sleep(0.5)
            load.is_over.set()
            for client in clients:
                client.join()
            wait_until(lambda: nothing_is_owed(sidecar), 120, what="every intent and delivery to end")
        finally:
            sidecar.stop()
        assert not load.faults
        assert_all_delivered(load.tried, receiver.requests, unreliable)


def kill_again_and_again(sidecar: SteppedSidecar, chance: random.Random) -> None:
    for _ in range(_KILLS):
        if chance.random() < 0.2:
            time.sleep(chance.uniform(0, 0.4))  # while it starts
        else:
            sidecar.until_ready()
            time.sleep(chance.uniform(0.02, 0.8))
        sidecar.kill()
        sidecar.begin()
    sidecar.until_ready()


def nothing_is_owed(sidecar: SteppedSidecar) -> bool:
    """Whether every intent is closed and every delivery has ended."""
    store = sqlite3.connect(sidecar.folder / "data" / "sidecar.db")
    try:
        (owed,) = store.execute(
            "SELECT (SELECT count(*) FROM intents) + (SELECT count(*) FROM held) "
            "+ (SELECT count(*) FROM deliveries WHERE state IN ('waiting', 'sending'))"
        ).fetchone()
    finally:
        store.close()
    return bool(owed == 0)


def assert_all_delivered(tried: list[Operation], received: list[Received], unreliable: Unreliable) -> None:
    with httpx.Client(timeout=20, trust_env=False) as client:
        accepted = {done for done in tried if was_accepted(client, done)}
    ids = ids_by_event(received)
    lost = [done for done in accepted if (done.event_type, done.name) not in ids]
    invented = ids.keys() - {(done.event_type, done.name) for done in accepted}
    again = sum(times - 1 for times in unreliable.accepted.values())
    print(
        f"{_KILLS} kills, {len(tried)} operations, {len(accepted)} accepted, {len(lost)} lost, "
        f"{len(invented)} invented; {len(received)} attempts, {again} delivered again"
    )
    print(dict(Counter(done.event_type for done in accepted)))
    assert not lost, f"{len(lost)} of {len(accepted)} accepted and never delivered: {lost[:10]}"
    assert not invented, f"{len(invented)} delivered and not accepted: {sorted(invented)[:10]}"
    several = {event: found for event, found in ids.items() if len(found) > 1}
    assert not several, f"one operation, several event ids: {several}"
    assert_repeated_as_they_were(received)
    assert {done.event_type for done in tried} == {done.event_type for done in accepted}


def was_accepted(client: httpx.Client, operation: Operation) -> bool:
    status = client.get(operation.url, headers={"Accept": IMAGE.media_type}).status_code
    assert status in {200, 404}
    return status == operation.accepted


def ids_by_event(received: list[Received]) -> dict[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for request in received:
        body = request.json()
        (event,) = body["events"]
        found[body["event_type"], name_of(event)].add(request.header("webhook-id"))
    return found


def name_of(event: dict[str, Any]) -> str:
    return str(event.get("chart_name") or event["digest"])


def assert_repeated_as_they_were(received: list[Received]) -> None:
    """Whenever a delivery is attempted again it is the same bytes under the same event id."""
    first: dict[str, tuple[str, bytes]] = {}
    for request in received:
        sent = request.header("webhook-id"), request.body
        assert first.setdefault(request.header("X-Sidecar-Delivery-Id"), sent) == sent
