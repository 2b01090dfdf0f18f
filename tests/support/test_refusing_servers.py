"""The parts by which a write is refused: a file system that is full, and nginx."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support import small_file_system
from tests.support.images import build_chart, build_image, digest_of, upload
from tests.support.nginx import Nginx
from tests.support.servers import ChartMuseum, Registry, Version
from tests.support.small_file_system import MIB, NotPermittedError, SmallFileSystem

CHART = build_chart(size=4096)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[SmallFileSystem]:
    with SmallFileSystem(tmp_path / "small", size=4 * MIB) as it:
        yield it


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallFileSystem]:
    """As another user than root has it."""
    refusing = SmallFileSystem(tmp_path / "held", size=4 * MIB)
    with monkeypatch.context() as mounting:
        mounting.setattr(refusing, "_run", lambda *_: "must be superuser to use mount")
        refusing.__enter__()
    try:
        yield refusing
    finally:
        refusing.__exit__(None, None, None)


def write(path: Path, size: int) -> None:
    with path.open("wb", buffering=0) as file:
        assert file.write(b"x" * size) == size


@pytest.mark.parametrize("kind", ["small", "held"])
def test_full_file_system_takes_nothing_until_there_is_room(
    kind: str, request: pytest.FixtureRequest
) -> None:
    it: SmallFileSystem = request.getfixturevalue(kind)
    it.fill()
    with pytest.raises(OSError, match="No space left on device") as refused:
        write(it.root / "file", 1)
    assert refused.value.errno == errno.ENOSPC
    it.make_room()
    write(it.root / "file", 3 * MIB)


def test_file_system_is_filled_but_for_what_is_left(small: SmallFileSystem) -> None:
    small.fill(leaving=MIB)
    write(small.root / "first", MIB)
    with pytest.raises(OSError, match="No space left on device"):
        write(small.root / "second", 1)


def test_file_system_without_inodes_takes_bytes_and_no_file(tmp_path: Path) -> None:
    with SmallFileSystem(tmp_path / "small", size=4 * MIB, inodes=64) as small:
        write(small.root / "there", 1)
        small.take_inodes(leaving=1)
        (small.root / "last").touch()
        write(small.root / "there", MIB)
        with pytest.raises(OSError, match="No space left on device"):
            (small.root / "one-more").touch()
        small.make_room()
        (small.root / "one-more").touch()


@pytest.mark.parametrize("kind", ["small", "held"])
def test_file_system_is_made_read_only(kind: str, request: pytest.FixtureRequest) -> None:
    it: SmallFileSystem = request.getfixturevalue(kind)
    it.make_read_only()
    with pytest.raises(OSError, match="Read-only file system"):
        (it.root / "file").touch()


@pytest.mark.parametrize("is_in_use", [False, True])
def test_file_system_is_gone_afterwards(tmp_path: Path, *, is_in_use: bool) -> None:
    folder = tmp_path / "small"
    with SmallFileSystem(folder, size=MIB) as small:
        descriptor = os.open(small.root, os.O_RDONLY) if is_in_use else -1
    assert not os.path.ismount(folder)
    assert not list(folder.iterdir())
    if is_in_use:
        os.close(descriptor)


def test_what_is_not_permitted_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_file_system, "HELD", "echo mount: permission denied >&2; exit 1")
    refusing = SmallFileSystem(tmp_path, size=MIB)
    monkeypatch.setattr(refusing, "_run", lambda *_: "must be superuser")
    with pytest.raises(NotPermittedError, match="must be superuser; mount: permission denied"), refusing:
        pass


@pytest.mark.parametrize("kind", ["small", "held"])
@pytest.mark.parametrize("version", ["3", "2.8"])
def test_registry_on_a_full_file_system_refuses_until_there_is_room(
    tmp_path: Path, version: Version, kind: str, request: pytest.FixtureRequest
) -> None:
    small: SmallFileSystem = request.getfixturevalue(kind)
    image = build_image("room", layer_size=MIB)
    with Registry(tmp_path / "registry", version=version, root=small.root) as registry:
        small.fill()
        with pytest.raises(httpx.HTTPStatusError, match="500 Internal Server Error"):
            upload(image, registry_url=registry.url, repository="prj/app", tag="v1")
        small.make_room()
        upload(image, registry_url=registry.url, repository="prj/app", tag="v1")


def test_chartmuseum_on_a_full_file_system_refuses_until_there_is_room(
    tmp_path: Path, small: SmallFileSystem
) -> None:
    with ChartMuseum(tmp_path / "charts", depth=0, root=small.root) as museum:
        url = f"{museum.url}/api/charts"
        small.fill()
        assert httpx.post(url, content=CHART.content, trust_env=False).status_code == 500
        small.make_room()
        # It leaves an empty file behind, which it takes for the chart: a second try has to be forced.
        assert httpx.post(url, content=CHART.content, trust_env=False).status_code == 409
        assert httpx.post(f"{url}?force", content=CHART.content, trust_env=False).status_code == 201


def test_chartmuseum_has_the_limits_asked_for(tmp_path: Path) -> None:
    folder, size = tmp_path / "charts", 2 * len(CHART.content)
    with ChartMuseum(folder, depth=0, max_storage_objects=1, max_upload_size=size) as museum:
        url = f"{museum.url}/api/charts"
        next_version, big = build_chart(version="1.0.1"), build_chart(version="1.0.2", size=32_768)
        contents = [CHART.content, next_version.content, big.content]
        answers = [httpx.post(url, content=content, trust_env=False).status_code for content in contents]
    assert answers == [201, 507, 413]


@pytest.mark.parametrize("request_buffering", [False, True])
def test_nginx_refuses_what_is_too_large_and_passes_on_the_rest(
    tmp_path: Path, *, request_buffering: bool
) -> None:
    small, large = b"x" * 1000, b"x" * 2000
    with (
        Registry(tmp_path / "registry") as registry,
        Nginx(
            tmp_path / "nginx", upstream=registry.url, max_body="1k", request_buffering=request_buffering
        ) as nginx,
        httpx.Client(base_url=nginx.url, trust_env=False) as client,
    ):
        answers = []
        for blob in (small, large):
            session = client.post("/v2/prj/app/blobs/uploads/").headers["Location"]
            assert session.startswith(nginx.url)  # the registry sees the Host that the client asked for
            place = httpx.URL(session).copy_add_param("digest", digest_of(blob))
            answers.append(client.put(place, content=blob).status_code)
    assert answers == [201, 413]


def test_nginx_leaves_no_process_behind(tmp_path: Path) -> None:
    with Registry(tmp_path / "registry") as registry, Nginx(tmp_path / "n", upstream=registry.url) as nginx:
        children = Path(f"/proc/{nginx.pid}/task/{nginx.pid}/children").read_text().split()
        assert children
    assert not any(Path(f"/proc/{child}").exists() for child in children)
