"""Charts are called what ChartMuseum calls them, and every one that it took raises an event.

ODD_CHARTS=1000 sends as many as that instead of a hundred.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.support.odd_charts import OddUpload, uploads
from tests.support.process import NotInstalledError
from tests.support.receiver import Receiver
from tests.support.servers import ChartMuseum, Sidecar, policy

_UPLOADS = int(os.environ.get("ODD_CHARTS", "100"))
#: Seen: most of what is generated is taken; a set of which little is taken would show little.
_LEAST_TAKEN = 0.5


@dataclass
class Bench:
    """The program before a ChartMuseum, with a receiver behind it."""

    museum: ChartMuseum
    sidecar: Sidecar
    receiver: Receiver
    client: httpx.Client
    tenants: Iterator[int] = field(default_factory=lambda: count(1))

    def post(self, tenant: str, upload: OddUpload) -> int:
        url = f"{self.sidecar.url}/api/{tenant}/charts"
        headers = {"Content-Type": upload.content_type} if upload.content_type else {}
        return self.client.post(url, content=upload.body, headers=headers).status_code

    def stored(self, tenant: str) -> dict[str, Any]:
        """The only entry that ChartMuseum has of a tenant."""
        for _ in range(100):
            index = self.client.get(f"{self.museum.url}/api/{tenant}/charts").json()
            entries = [entry for versions in index.values() for entry in versions]
            if entries:
                (entry,) = entries
                return dict(entry)
            time.sleep(0.05)
        raise AssertionError(f"nothing is stored of {tenant}")

    def events(self, tenant: str) -> list[dict[str, Any]]:
        """What the receiver got of a tenant, once there is something."""
        for _ in range(200):
            bodies = [received.json() for received in self.receiver.requests]
            found = [body["events"][0] for body in bodies if body["events"][0]["project"] == tenant]
            if found:
                return found
            time.sleep(0.05)
        return []


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    try:
        museum = ChartMuseum(tmp_path_factory.mktemp("charts"))
    except NotInstalledError as missing:
        pytest.skip(str(missing))
    with museum, Receiver() as receiver, httpx.Client(trust_env=False, timeout=30) as client:
        sidecar = Sidecar(
            tmp_path_factory.mktemp("sidecar"),
            registry=museum.url,
            chart_repository=museum.url,
            projects=[{"name": "*", "webhook_policies": [policy(receiver.url)]}],
        )
        sidecar.start()
        try:
            yield Bench(museum, sidecar, receiver, client)
        finally:
            sidecar.terminate()


@pytest.mark.timeout(60 + _UPLOADS)
def test_odd_uploads_raise_one_event_each_with_the_names_that_chartmuseum_stored(bench: Bench) -> None:
    taken: list[bool] = []

    @settings(
        max_examples=_UPLOADS,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(uploads())
    def send(upload: OddUpload) -> None:
        bench.receiver.requests.clear()
        tenant = f"t{next(bench.tenants)}"
        status = bench.post(tenant, upload)
        taken.append(status == 201)
        if status != 201:
            return
        stored, events = bench.stored(tenant), bench.events(tenant)
        assert [event["chart_name"] for event in events] == [stored["name"]]
        (event,) = events
        assert event["version"] == stored["version"]
        assert event["chart_type"] == stored.get("type", "application")
        assert event["chart_size"] == len(upload.archive)

    send()
    print(f"{len(taken)} uploads, {sum(taken)} taken")
    assert sum(taken) >= len(taken) * _LEAST_TAKEN
