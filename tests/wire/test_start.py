"""What cannot be had at the start is one line that names the key, and status 2; never a traceback."""

import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.support.process import ROOT, environment, free_port
from tests.support.receiver import Receiver
from tests.support.servers import Sidecar

Settings = dict[str, Any]


def settings_for(folder: Path, **more: Any) -> Settings:
    return {
        "hostname": "registry.example.com",
        "registry": {"url": f"http://127.0.0.1:{free_port()}"},
        "listen": {"proxy": f"127.0.0.1:{free_port()}", "admin": f"127.0.0.1:{free_port()}"},
        "data_volume": str(folder / "data"),
    } | more


def serve(folder: Path, settings: Settings) -> tuple[int, list[str]]:
    """Exit status, and what was said that is no log line of less than an error."""
    path = folder / "harbor.yml"
    path.write_text(yaml.safe_dump(settings))
    ended = subprocess.run(
        [sys.executable, "-m", "sidecar", "serve", "--config", str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        env=environment(PYTHONPATH=str(ROOT)),
        check=False,
    )
    assert "Traceback" not in ended.stderr
    lines = ended.stderr.splitlines()
    return ended.returncode, [line for line in lines if not ('"info"' in line or '"warning"' in line)]


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("key", ["proxy", "admin"])
@pytest.mark.parametrize("is_shared", [0, 1])
def test_a_port_in_use_is_named(tmp_path: Path, key: str, workers: int, is_shared: int) -> None:
    with socket.socket() as other:
        if is_shared:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        settings = settings_for(tmp_path, workers=workers)
        settings["listen"][key] = f"127.0.0.1:{other.getsockname()[1]}"
        status, (line,) = serve(tmp_path, settings)
    assert status == 2
    assert line.startswith(f"harbor.yml: listen.{key}: {settings['listen'][key]} is in use")


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("address", ["nowhere.invalid:5000", "192.0.2.1:5000"])
def test_an_address_that_is_not_of_this_machine_is_named(tmp_path: Path, address: str, workers: int) -> None:
    settings = settings_for(tmp_path, workers=workers)
    settings["listen"]["admin"] = address
    status, (line,) = serve(tmp_path, settings)
    assert (status, line.startswith(f"harbor.yml: listen.admin: {address} cannot be listened on")) == (
        2,
        True,
    )


@pytest.mark.parametrize("name", ["x" * 300, "loop"])
def test_a_data_volume_that_can_never_be_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    status, (line,) = serve(tmp_path, settings_for(tmp_path, data_volume=str(tmp_path / name)))
    assert (status, line.startswith("harbor.yml: data_volume: ")) == (2, True)


@pytest.mark.slow
def test_a_data_volume_has_one_sidecar_and_a_killed_one_leaves_no_lock(tmp_path: Path) -> None:
    with Receiver() as upstream, Sidecar(tmp_path / "first", registry=upstream.url) as first:
        settings = settings_for(tmp_path, data_volume=first.harbor_yml["data_volume"])
        status, (line,) = serve(tmp_path, settings)
        assert status == 2
        assert line.startswith(
            f"harbor.yml: data_volume: {settings['data_volume']} is used by another sidecar"
        )
        assert f"(process {first.pid} on " in line
        assert httpx.get(f"{first.url}/v2/", trust_env=False).status_code == 200
        first.kill()
        first.start()
        assert not first.logged("store.waiting_for_other")
