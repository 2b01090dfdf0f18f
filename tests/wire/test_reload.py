"""A changed configuration takes effect on the running program, and no connection notices."""

import http.client
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.images import build_image, upload
from tests.support.process import is_installed, require_program, wait_until
from tests.support.receiver import Receiver
from tests.support.servers import Registry, Sidecar, Version, policy

IMAGE = build_image("reload")


@contextmanager
def a_sidecar(folder: Path, receiver: Receiver, *, workers: int = 1) -> Iterator[Sidecar]:
    if not is_installed("registry", "docker-registry"):
        require_program("registry")
    version: Version = "3" if is_installed("registry") else "2.8"
    projects = [{"name": "prj", "webhook_policies": [policy(f"{receiver.url}/old")]}]
    with (
        Registry(folder / "r", version=version) as registry,
        Sidecar(
            folder / "s", registry=registry.url, projects=projects, settings={"workers": workers}
        ) as sidecar,
    ):
        yield sidecar


def push(sidecar: Sidecar, tag: str) -> None:
    upload(IMAGE, registry_url=sidecar.url, repository="prj/app", tag=tag)


def point_to(sidecar: Sidecar, address: str) -> None:
    sidecar.harbor_yml["projects"] = [{"name": "prj", "webhook_policies": [policy(address)]}]


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("how", ["signal", "file"])
def test_new_policies_are_used_while_an_upload_goes_on(tmp_path: Path, how: str, workers: int) -> None:
    with Receiver() as receiver, a_sidecar(tmp_path, receiver, workers=workers) as sidecar:
        push(sidecar, "one")
        assert receiver.wait_for(1)[0].path == "/old"
        wait_until(lambda: len(sidecar.logged("worker.started")) >= workers - 1, 20, what="the workers")
        location = httpx.post(f"{sidecar.url}/v2/prj/app/blobs/uploads/", trust_env=False).headers["Location"]
        slow = http.client.HTTPConnection(sidecar.host, timeout=20)
        slow.putrequest("PATCH", location)
        slow.putheader("Content-Length", "20")
        slow.endheaders(b"0123456789")
        point_to(sidecar, f"{receiver.url}/new")
        sidecar.reload() if how == "signal" else sidecar.write_configuration()
        wait_until(lambda: len(sidecar.logged("config.reloaded")) >= workers, 10, what="the reload")
        push(sidecar, "two")
        assert receiver.wait_for(2)[1].path == "/new"
        slow.send(b"0123456789")
        assert slow.getresponse().status == 202
        slow.close()


def test_a_broken_file_leaves_everything_as_it_was_and_says_why(tmp_path: Path) -> None:
    with Receiver() as receiver, a_sidecar(tmp_path, receiver) as sidecar:
        point_to(sidecar, "ftp://nowhere")
        sidecar.reload()
        wait_until(lambda: bool(sidecar.logged("config.refused")), 10, what="the refusal")
        push(sidecar, "one")
        assert receiver.wait_for(1)[0].path == "/old"
        (refused,) = sidecar.logged("config.refused")
        assert "address" in refused["mistake"]
        point_to(sidecar, f"{receiver.url}/new")
        sidecar.reload()
        wait_until(lambda: bool(sidecar.logged("config.reloaded")), 10, what="the reload")
        time.sleep(0.1)
        push(sidecar, "two")
        assert receiver.wait_for(2)[1].path == "/new"
