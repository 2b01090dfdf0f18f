"""Real servers refuse through the sidecar as they do directly, and only a lack of storage is an event."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.nginx import Nginx
from tests.support.receiver import Receiver
from tests.support.refusals import charts, registries
from tests.support.refusals.asking import ask
from tests.support.refusals.proxies import large_manifests
from tests.support.refusals.refusal import Record, RefusingServer, read, without_chance
from tests.support.refusals.registries import ALICE, basic
from tests.support.refusals.writes import Asked
from tests.support.servers import ChartMuseum, Registry, Sidecar, Version, policy
from tests.support.small_file_system import MIB, SmallFileSystem

pytestmark = pytest.mark.slow
Spoil = Callable[[SmallFileSystem], None]


@contextmanager
def a_sidecar(
    folder: Path, *, registry: str, chart_repository: str | None = None
) -> Iterator[tuple[str, Receiver]]:
    with Receiver() as receiver:
        projects = [{"name": "prj", "webhook_policies": [policy(receiver.url)]}]
        with Sidecar(
            folder, registry=registry, chart_repository=chart_repository, projects=projects
        ) as sidecar:
            yield sidecar.url, receiver


def passed_on(records: Iterable[Record]) -> list[Record]:
    """Without what is between two neighbours: whether their connection is used again."""
    told = [without_chance(record) for record in records]
    for record in told:
        record["headers"].pop("Connection", None)
    return told


def recorded(name: str, state: str) -> list[Record]:
    return passed_on(record for record in read(name) if record["when"].startswith(f"{state};"))


def event_types(receiver: Receiver, *, is_quota: bool) -> set[str]:
    if is_quota:
        receiver.wait_for(1)
    return {request.json()["event_type"] for request in receiver.settle()}


@pytest.mark.parametrize("version", ["3", "2.8"])
@pytest.mark.parametrize(("state", "spoil", "is_quota"), registries.STATES)
def test_registry_on_a_small_file_system(
    tmp_path: Path, version: Version, state: str, spoil: Spoil, *, is_quota: bool
) -> None:
    with (
        SmallFileSystem(tmp_path / "small", size=12 * MIB, inodes=512) as small,
        Registry(tmp_path / "registry", version=version, root=small.root) as registry,
        a_sidecar(tmp_path / "sidecar", registry=registry.url) as (url, receiver),
    ):
        registries.push_image(registry)
        asked = Asked(url, prepared_at=registry.url)
        spoil(small)
        server = registries.server_name(version)
        server_state = RefusingServer(server=server, state=state, is_quota=is_quota, root=small.root)
        now = passed_on(server_state.refused(asked.answers(thoroughly=is_quota)))
        events = event_types(receiver, is_quota=is_quota)
    assert now == recorded(f"distribution-{version}", state)
    assert events == ({"projectQuota"} if is_quota else set())


@pytest.mark.parametrize(("state", "spoil"), charts.SPOILS)
def test_chartmuseum_on_a_small_file_system(tmp_path: Path, state: str, spoil: Spoil) -> None:
    with (
        SmallFileSystem(tmp_path / "small", size=2 * MIB, inodes=64) as small,
        ChartMuseum(tmp_path / "charts", user=ALICE, root=small.root) as museum,
        a_sidecar(tmp_path / "sidecar", registry=museum.url, chart_repository=museum.url) as (url, receiver),
    ):
        charts.push_first(museum)
        spoil(small)
        server_state = RefusingServer(
            server=charts.server_name(), state=state, is_quota=True, root=small.root
        )
        now = passed_on(server_state.refused(charts.answers(url, charts.uploads(), basic(ALICE))))
        events = event_types(receiver, is_quota=True)
    assert now == recorded("chartmuseum", state)
    assert events == {"projectQuota"}


def test_charts_larger_than_chartmuseum_takes(tmp_path: Path) -> None:
    with (
        ChartMuseum(tmp_path / "charts", user=ALICE, max_upload_size=64) as museum,
        a_sidecar(tmp_path / "sidecar", registry=museum.url, chart_repository=museum.url) as (url, receiver),
    ):
        state = "larger than --max-upload-size"
        server_state = RefusingServer(server=charts.server_name(), state=state, is_quota=True)
        written = charts.every_sending(charts.uploads()[:5])
        now = passed_on(server_state.refused(charts.answers(url, written, basic(ALICE))))
        events = event_types(receiver, is_quota=True)
    assert now == recorded("chartmuseum", state)
    assert events == {"projectQuota"}


def test_nginx_between_sidecar_and_registry(tmp_path: Path) -> None:
    with (
        Registry(tmp_path / "registry") as registry,
        Nginx(tmp_path / "nginx", upstream=registry.url, max_body="64k") as nginx,
        a_sidecar(tmp_path / "sidecar", registry=nginx.url) as (url, receiver),
    ):
        registries.push_image(registry)
        manifests = [ask(url, write).status for write in large_manifests()]
        assert not receiver.settle()  # a limit on manifests is no lack of storage
        asked = Asked(url, prepared_at=registry.url).answers(thoroughly=True)
        blobs = [answer.status for write, answer in asked if write.body and write.operation != "manifest-put"]
        events = event_types(receiver, is_quota=True)
    assert manifests == [413] * 3
    assert blobs == [413] * 9
    assert events == {"projectQuota", "pushImage"}  # manifests are small enough
