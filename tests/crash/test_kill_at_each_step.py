"""SIGKILL between every two steps of each operation: what the upstream accepted is delivered.

Each scenario is run again and again, killed one step later each time, until a run ends without having
been killed. Upstreams are real; the sidecar is the real program with its calls counted (stepper).
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.crash.support import SteppedSidecar, Upstreams
from tests.support.images import Artifact, Chart, build_chart, build_image, build_multi_platform, upload
from tests.support.process import require_program
from tests.support.receiver import Receiver
from tests.support.servers import Sidecar, policy

pytestmark = [pytest.mark.crash, pytest.mark.timeout(600)]

_MOST_STEPS = 60
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Scenario:
    """One operation: how to prepare it, do it, and see on the upstream whether it was accepted."""

    event_type: str
    prepare: Callable[[Upstreams, str], None]
    act: Callable[[str, str], None]
    was_accepted: Callable[[Upstreams, str], bool]


IMAGE = build_image("crash")
INDEX = build_multi_platform("crash")


def _chart(name: str) -> Chart:
    return build_chart(name, "1.0.0", size=2000)


def _blobs_only(artifact: Artifact) -> Callable[[Upstreams, str], None]:
    def prepare(upstreams: Upstreams, name: str) -> None:
        upload(artifact, registry_url=upstreams.registry.url, repository=f"prj/{name}", tag="other")

    return prepare


def _put(url: str, name: str) -> None:
    _request("PUT", f"{url}/v2/prj/{name}/manifests/v1", content=IMAGE.manifest, media_type=IMAGE.media_type)


def _delete(url: str, name: str) -> None:
    _request("DELETE", f"{url}/v2/prj/{name}/manifests/{IMAGE.digest}")


def _put_index(url: str, name: str) -> None:
    for child in INDEX.children:
        path = f"{url}/v2/prj/{name}/manifests/{child.digest}"
        _request("PUT", path, content=child.manifest, media_type=child.media_type)
    path = f"{url}/v2/prj/{name}/manifests/v1"
    _request("PUT", path, content=INDEX.manifest, media_type=INDEX.media_type)


def _upload_chart(url: str, name: str) -> None:
    _request("POST", f"{url}/api/prj/charts", content=_chart(name).content)


def _upload_chart_form(url: str, name: str) -> None:
    _request("POST", f"{url}/api/prj/charts", files={"chart": _chart(name).content})


def _delete_chart(url: str, name: str) -> None:
    _request("DELETE", f"{url}/api/prj/charts/{name}/1.0.0")


def _request(method: str, url: str, *, media_type: str = "", **more: Any) -> None:
    headers = {"Content-Type": media_type} if media_type else {}
    try:
        httpx.request(method, url, headers=headers, timeout=20, trust_env=False, **more)
    except httpx.TransportError:
        return  # the sidecar was killed under it


def _digest_of_tag(upstreams: Upstreams, name: str, tag: str) -> str:
    url = f"{upstreams.registry.url}/v2/prj/{name}/manifests/{tag}"
    headers = {"Accept": f"{IMAGE.media_type}, {INDEX.media_type}"}
    response = httpx.head(url, headers=headers, trust_env=False)
    return response.headers.get("Docker-Content-Digest", "") if response.status_code == 200 else ""


def _has_chart(upstreams: Upstreams, name: str) -> bool:
    assert upstreams.charts is not None
    response = httpx.get(f"{upstreams.charts.url}/prj/charts/{name}-1.0.0.tgz", trust_env=False)
    return response.status_code == 200


def _prepare_chart(upstreams: Upstreams, name: str) -> None:
    assert upstreams.charts is not None
    content = _chart(name).content
    httpx.post(f"{upstreams.charts.url}/api/prj/charts", content=content, trust_env=False).raise_for_status()


def _nothing(_upstreams: Upstreams, _name: str) -> None:
    return


SCENARIOS = {
    "push": Scenario(
        "pushImage",
        _blobs_only(IMAGE),
        _put,
        lambda up, name: _digest_of_tag(up, name, "v1") == IMAGE.digest,
    ),
    "multi-platform push": Scenario(
        "pushImage",
        _blobs_only(INDEX),
        _put_index,
        lambda up, name: _digest_of_tag(up, name, "v1") == INDEX.digest,
    ),
    "delete": Scenario(
        "deleteImage",
        _blobs_only(IMAGE),
        _delete,
        lambda up, name: not _digest_of_tag(up, name, IMAGE.digest),
    ),
    "chart upload": Scenario("uploadChart", _nothing, _upload_chart, _has_chart),
    "chart upload as a form": Scenario("uploadChart", _nothing, _upload_chart_form, _has_chart),
    "chart delete": Scenario(
        "deleteChart", _prepare_chart, _delete_chart, lambda up, name: not _has_chart(up, name)
    ),
}


@dataclass(frozen=True, slots=True)
class Run:
    """What one run, killed at one step, came to."""

    step: str  #: the last one taken
    was_killed: bool
    was_accepted: bool
    event_ids: tuple[str, ...]  #: of this operation's events, in the order of arrival


@pytest.mark.parametrize("name", SCENARIOS)
def test_accepted_operations_survive_a_kill_at_every_step(
    name: str, upstreams: Upstreams, tmp_path: Path
) -> None:
    scenario = SCENARIOS[name]
    if "chart" in name and upstreams.charts is None:
        require_program("chartmuseum")
    runs = _run_until_nothing_is_killed(scenario, upstreams, tmp_path)
    assert len([run for run in runs if run.was_killed]) >= 8, "the stepper no longer sees the calls"
    assert any(run.was_killed and not run.was_accepted for run in runs)
    assert any(run.was_killed and run.was_accepted for run in runs)
    lost = [run for run in runs if run.was_accepted and not run.event_ids]
    assert not lost, f"accepted by the upstream and never delivered: {lost}"
    invented = [run for run in runs if not run.was_accepted and run.event_ids]
    assert not invented, f"delivered and never accepted: {invented}"
    several = [run for run in runs if len(set(run.event_ids)) > 1]
    assert not several, f"one operation, several event ids: {several}"


def _run_until_nothing_is_killed(scenario: Scenario, upstreams: Upstreams, folder: Path) -> list[Run]:
    runs: list[Run] = []
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for first in range(1, _MOST_STEPS, _AT_ONCE):
            steps = range(first, first + _AT_ONCE)
            runs += pool.map(lambda at: _run_killed_at(at, scenario, upstreams, folder / str(at)), steps)
            if not all(run.was_killed for run in runs):
                return runs
    raise AssertionError(f"still being killed after {_MOST_STEPS} steps: {runs[-1]}")


def _run_killed_at(at: int, scenario: Scenario, upstreams: Upstreams, folder: Path) -> Run:
    name = f"{scenario.act.__name__.strip('_').replace('_', '-')}-{at}"
    scenario.prepare(upstreams, name)
    with Receiver() as receiver:
        sidecar = SteppedSidecar(
            folder,
            registry=upstreams.registry.url,
            chart_repository=upstreams.charts.url if upstreams.charts else None,
            projects=[{"name": "prj", "webhook_policies": [policy(receiver.url)]}],
            settings={
                "notification": {"retry_waits_s": [0.1]},
                "events": {"mode": "grouped", "push_hold_s": 2},
            },
        )
        sidecar.kill_at = at
        sidecar.start()
        try:
            sidecar.arm()
            scenario.act(sidecar.url, name)
            was_killed = sidecar.was_killed()
            was_accepted = scenario.was_accepted(upstreams, name)
            sidecar.kill()
            sidecar.kill_at = 0
            sidecar.start()
            ids = _events_of(name, scenario, receiver, sidecar, is_expected=was_accepted)
        finally:
            sidecar.stop()
        step = sidecar.steps[at - 1] if was_killed else "end"
        return Run(step=step, was_killed=was_killed, was_accepted=was_accepted, event_ids=ids)


def _events_of(
    name: str, scenario: Scenario, receiver: Receiver, sidecar: Sidecar, *, is_expected: bool
) -> tuple[str, ...]:
    """Ids of the operation's events, once they came, or once a later push's event has come."""
    found = _ids(name, scenario, receiver)
    if is_expected:
        deadline = time.monotonic() + 10
        while not found and time.monotonic() < deadline:
            time.sleep(0.05)
            found = _ids(name, scenario, receiver)
    else:
        upload(IMAGE, registry_url=sidecar.url, repository="prj/marker", tag="v1")
        deadline = time.monotonic() + 10
        while not any(b"prj/marker" in request.body for request in receiver.requests):
            assert time.monotonic() < deadline, "a push after the restart raised nothing"
            time.sleep(0.05)
    time.sleep(0.5)
    return _ids(name, scenario, receiver)


def _ids(name: str, scenario: Scenario, receiver: Receiver) -> tuple[str, ...]:
    """webhook-id of each delivery of the scenario's event, about the digest or chart that it is about."""
    return tuple(
        request.header("webhook-id")
        for request in receiver.requests
        if request.json()["event_type"] == scenario.event_type
        and request.json()["events"][0]["full_name"] == f"prj/{name}"
        and request.json()["events"][0].get("tag")
    )
