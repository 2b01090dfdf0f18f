"""Registries refuse pushes for lack of storage: clients end as without the sidecar, and each push is one event."""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import pytest

from tests.clients.campaign import LONGEST_S, Campaign, Client, Engines, Like, Server
from tests.clients.pushing import CLIENTS, SIZE
from tests.clients.refusing import Refusal, Step, behind_nginx, on_a_small_disk, replaying
from tests.support.process import NotInstalledError
from tests.support.refusals.refusal import Record, read

pytestmark = [pytest.mark.clients, pytest.mark.timeout(LONGEST_S + 30)]

NO_SPACE = Like(".*no space left on device")
TOO_LARGE = "413 Request Entity Too Large"
LESS_THAN_A_LAYER = SIZE * 3 // 4
OPERATIONS = {Step.START: "upload-start", Step.END: "upload-put", Step.MANIFEST: "manifest-put"}


def told_by(name: str, server: str) -> Mapping[Step, Refusal]:
    """What a server says for lack of storage at each step, out of tests/golden/refusals."""
    told = [record for record in read(name) if record["is_quota"] and record["server"] == server]
    return {
        step: next(_refusal(record) for record in told if record["operation"] == operation)
        for step, operation in OPERATIONS.items()
    }


def _refusal(record: Record) -> Refusal:
    headers = {name: value for name, value in record["headers"].items() if name != "Connection"}
    return Refusal(status=record["status"], headers=headers, body=record["body"].encode())


HARBOR = told_by("harbor-2", "harbor v2.16")
QUAY = told_by("documented", "quay")


def on_a_full_disk(client: Client) -> Iterator[None]:
    begun = None
    if client.name == "docker":  # it takes 50 s to give up
        client.is_refused("v1", NO_SPACE, times=1)
        begun = client.begins("v1", NO_SPACE)
    else:
        client.is_refused("v1", NO_SPACE)
    yield
    if begun:
        client.succeeds_after_all(begun, "v1")
    else:
        client.succeeds("v1")
    yield
    if client.name != "helm":  # whose tag is its chart's version: it would push what is there
        client.is_refused_its_manifest("v2", NO_SPACE)
    yield
    client.succeeds("v2")


def on_a_disk_too_small(client: Client) -> Iterator[None]:
    """Registry 2.8 keeps empty links of what it could not write: here nothing is sure to succeed later."""
    client.is_refused("v1", NO_SPACE, times=1 if client.name == "docker" else 2)
    yield from ()


def behind_a_limit(client: Client) -> Iterator[None]:
    client.is_refused("v1", TOO_LARGE)
    yield
    client.succeeds("v1")


def step_by_step(refusals: Mapping[Step, Refusal], client: Client) -> Iterator[None]:
    details = {step: json.loads(refusal.body)["errors"][0]["message"] for step, refusal in refusals.items()}
    client.is_refused("v1", details[Step.START])
    yield
    client.is_refused("v1", details[Step.END])
    yield
    client.is_refused_its_manifest("v1", details[Step.MANIFEST])
    yield
    client.succeeds("v1")


#: Those that take long begin first.
SERVERS = {
    "v3 on a full disk": Server(
        kind="v3-disk-htpasswd",
        upstream_in=partial(on_a_small_disk, version="3"),
        scenes=on_a_full_disk,
    ),
    "2.8 on a full disk": Server(
        kind="2.8-disk-open",
        upstream_in=partial(on_a_small_disk, version="2.8"),
        scenes=on_a_full_disk,
    ),
    "2.8 on a disk too small for a layer": Server(
        kind="2.8-disk-htpasswd",
        upstream_in=partial(on_a_small_disk, version="2.8", leaving=LESS_THAN_A_LAYER),
        scenes=on_a_disk_too_small,
        said_by_chance=True,
        answers_early=True,
    ),
    "nginx": Server(
        kind="nginx-htpasswd", upstream_in=behind_nginx, scenes=behind_a_limit, answers_early=True
    ),
    "harbor": Server(
        kind="harbor-token",
        upstream_in=partial(replaying, refusals=HARBOR),
        scenes=partial(step_by_step, HARBOR),
    ),
    "quay": Server(
        kind="quay-htpasswd",
        upstream_in=partial(replaying, refusals=QUAY),
        scenes=partial(step_by_step, QUAY),
    ),
}
SLOW = 3
SLOW_LAST = [*SERVERS][SLOW:] + [*SERVERS][:SLOW]


@pytest.fixture(scope="module")
def campaigns(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Campaign]]:
    for engine in ("dockerd", "containerd"):
        with suppress(pytest.skip.Exception, NotInstalledError):  # raised again for whom it concerns
            request.getfixturevalue(engine)
    engines = Engines(
        dockerd=partial(request.getfixturevalue, "dockerd"),
        containerd=partial(request.getfixturevalue, "containerd"),
    )
    started = {
        name: Campaign(server, tmp_path_factory.mktemp("refusing"), engines)
        for name, server in SERVERS.items()
    }
    with ThreadPoolExecutor(SLOW + 1) as threads:
        for campaign in started.values():
            threads.submit(campaign.run)
        yield started


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("server", SLOW_LAST)
def test_refused_push_ends_as_directly_and_is_one_event(
    campaigns: Mapping[str, Campaign], server: str, client: str
) -> None:
    campaigns[server].outcome(client)


@pytest.mark.parametrize("server", SLOW_LAST)
def test_nothing_else_is_told(campaigns: Mapping[str, Campaign], server: str) -> None:
    campaigns[server].check_nothing_else_came()
