"""A changed configuration takes effect on the running program, and no connection notices."""

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.support.images import build_image, upload
from tests.support.process import ROOT, is_installed, require_program, wait_until
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


HOSTILE: dict[str, Callable[[str], bytes]] = {
    "a number of thousands of digits in a template": lambda text: text.replace(
        "webhook_policies:",
        "webhook_policies:\n  - {name: t, targets: [{address: 'http://h', payload_format: Template, "
        f"template: '{{{{ {'1' * 5000} }}}}'}}]}}\n  # ",
    ).encode(),
    "brackets": lambda _: b"[" * 100_000,
    "aliases that multiply": lambda _: (
        b"a: &a [x, x]\n"
        + b"".join(b"%c: &%c [*%c, *%c]\n" % (n, n, n - 1, n - 1) for n in range(ord("b"), ord("z")))
    ),
    "an alias of itself": lambda _: b"a: &a [*a]\n",
    "no text at all": lambda _: bytes(range(256)) * 100,
    "a huge list": lambda _: b"- a\n" * 1_000_000,
    "a huge number": lambda text: (text + f"workers: {'9' * 5000}\n").encode(),
    "a number too large for a machine": lambda text: (text + "connect_timeout_s: 1e999999\n").encode(),
    "half of an emoji": lambda text: (text + 'external_url: "\\ud83d"\n').encode(),
    "nothing": lambda _: b"",
}


def has_refused(sidecar: Sidecar, before: int) -> bool:
    return len(sidecar.logged("config.refused")) > before


def test_no_content_of_the_file_ends_the_program(tmp_path: Path) -> None:
    with Receiver() as receiver, a_sidecar(tmp_path, receiver) as sidecar:
        as_it_was = sidecar.configuration.read_text()
        for name, make in HOSTILE.items():
            sidecar.configuration.with_suffix(".new").write_bytes(make(as_it_was))
            sidecar.configuration.with_suffix(".new").rename(sidecar.configuration)
            count = len(sidecar.logged("config.refused"))
            os.kill(sidecar.pid, signal.SIGHUP)
            wait_until(partial(has_refused, sidecar, count), 60, what=f"{name} refused")
            assert httpx.get(f"{sidecar.url}/v2/", trust_env=False).status_code == 200, name
            check = subprocess.run(
                [sys.executable, "-m", "sidecar", "check", "--config", str(sidecar.configuration)],
                capture_output=True,
                text=True,
                timeout=60,
                cwd=ROOT,
                check=False,
            )
            assert (check.returncode, "Traceback" in check.stderr) == (2, False), check.stderr
            assert check.stderr.startswith("harbor.yml: "), name
        sidecar.configuration.unlink()
        sidecar.configuration.mkdir()
        count = len(sidecar.logged("config.refused"))
        os.kill(sidecar.pid, signal.SIGHUP)
        wait_until(lambda: len(sidecar.logged("config.refused")) > count, 10, what="a folder refused")
        push(sidecar, "still")
        assert receiver.wait_for(1)[0].path == "/old"
        assert not sidecar.logged("background.failed")
