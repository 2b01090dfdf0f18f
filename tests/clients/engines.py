"""dockerd and containerd for the tests: root, no network, nothing outside their folder."""

from collections.abc import Sequence
from pathlib import Path

from tests.support.process import Process, find_program


class Dockerd(Process):
    name = "dockerd"
    start_timeout_s = 60

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.program = find_program("dockerd")
        self.socket = folder / "docker.sock"

    def command(self) -> Sequence[str]:
        places = {"data-root": "data", "exec-root": "exec", "pidfile": "docker.pid"}
        return [
            self.program,
            *(f"--{flag}={self.folder / name}" for flag, name in places.items()),
            f"--host=unix://{self.socket}",
            "--storage-driver=vfs",
            "--bridge=none",
            # What a registry refuses with 5xx keeps its place for 50 s; other pushes are not to wait for it.
            "--max-concurrent-uploads=64",
            *(f"--{feature}=false" for feature in ("iptables", "ip6tables", "ip-forward", "ip-masq")),
        ]

    def is_ready(self) -> bool:
        return any("API listen on" in line for line in self.log_lines())


class Containerd(Process):
    name = "containerd"
    start_timeout_s = 60

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.program = find_program("containerd")
        self.socket = folder / "containerd.sock"

    def command(self) -> Sequence[str]:
        places = {"address": "containerd.sock", "root": "root", "state": "state"}
        return [self.program, *(f"--{flag}={self.folder / name}" for flag, name in places.items())]

    def is_ready(self) -> bool:
        return any("containerd successfully booted" in line for line in self.log_lines())
