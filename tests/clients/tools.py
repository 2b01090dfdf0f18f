"""How each client is called. A tool knows its flags and where it finds the digest, nothing of events."""

import json
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

from tests.clients.engines import Containerd, Dockerd
from tests.clients.journey import Done, Place
from tests.clients.stack import Stack
from tests.support.images import digest_of
from tests.support.process import environment, require_program

_DIGEST = re.compile(r"(?i)digest: (sha256:[0-9a-f]{64})")


def run_program(command: Sequence[str], folder: Path, variables: Mapping[str, str]) -> Done:
    """The digest is the one that the client prints, if it does."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=dict(variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=90,
        check=False,
    )
    printed = _DIGEST.findall(done.stdout)
    return Done(status=done.returncode, digest=printed[-1] if printed else "", output=done.stdout)


def at_once(number: int, run: Callable[[], Done]) -> Done:
    """So many processes at the same time: the one that failed, if any did, else the last one."""
    with ThreadPoolExecutor(number) as threads:
        done = [future.result() for future in [threads.submit(run) for _ in range(number)]]
    return next((each for each in done if each.status), done[-1])


class Tool:
    names: tuple[str, ...] = ()
    ended_after_s: float | None = None  #: by SIGTERM; else a client that hangs fails the test

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.program = require_program(*self.names)
        self.stack = stack
        self.folder = folder
        self._outputs = count(1)

    def run(self, *words: str | Path, cwd: Path | None = None) -> Done:
        limit = [] if self.ended_after_s is None else ["timeout", str(self.ended_after_s)]
        return run_program([*limit, self.program, *map(str, words)], cwd or self.folder, self.environment())

    def environment(self) -> dict[str, str]:
        homes = {
            f"HELM_{kind}_HOME": str(self.folder / f"helm-{kind}") for kind in ("CONFIG", "CACHE", "DATA")
        }
        docker = str(self.stack.auth_file.parent)
        return environment(
            DOCKER_CONFIG=docker, HOME=str(self.folder), XDG_RUNTIME_DIR=str(self.folder), **homes
        )

    def output_folder(self) -> Path:
        """A new path for what is pulled."""
        return self.folder / f"pulled-{next(self._outputs)}"


class Skopeo(Tool):
    names = ("skopeo",)

    def copy(self, source: str, destination: str, *flags: str) -> Done:
        plain = ("--src-tls-verify=false", "--dest-tls-verify=false", f"--authfile={self.stack.auth_file}")
        return self.run("--insecure-policy", "copy", *plain, *flags, source, destination)

    def push(self, layout: Path, reference: str, *flags: str) -> Done:
        tag = _tag_of(layout)
        printed = self.folder / "digest"
        done = self.copy(f"oci:{layout}:{tag}", f"docker://{reference}", f"--digestfile={printed}", *flags)
        digest = printed.read_text() if done.status == 0 else ""
        return Done(status=done.status, digest=digest, output=done.output)

    def pull(self, reference: str, *flags: str) -> Done:
        folder = self.output_folder()
        done = self.copy(f"docker://{reference}", f"dir:{folder}", *flags)
        return _with_digest_of(done, folder / "manifest.json")

    def delete(self, reference: str) -> Done:
        flags = ("--tls-verify=false", f"--authfile={self.stack.auth_file}")
        return self.run("--insecure-policy", "delete", *flags, f"docker://{reference}")


class Crane(Tool):
    names = ("crane",)

    def push(self, layout: Path, reference: str, *flags: str) -> Done:
        printed = self.folder / "refs"
        done = self.run("push", *flags, f"--image-refs={printed}", layout, reference)
        digest = printed.read_text().strip().partition("@")[2] if done.status == 0 else ""
        return Done(status=done.status, digest=digest, output=done.output)

    def pull(self, reference: str) -> Done:
        folder = self.output_folder()
        done = self.run("pull", "--format=oci", reference, folder)
        if done.status:
            return done
        (entry,) = json.loads((folder / "index.json").read_text())["manifests"]
        return Done(status=0, digest=entry["digest"], output=done.output)


class Oras(Tool):
    names = ("oras",)
    #: Fixed, so that the same push twice is the same manifest.
    CREATED = "--annotation=org.opencontainers.image.created=2026-01-01T00:00:00Z"

    def oras(self, command: str, *words: str | Path) -> Done:
        flags = ("--plain-http", f"--registry-config={self.stack.auth_file}")
        return self.run(*command.split(), *flags, *words)

    def copy(self, source: str, destination: str) -> Done:
        plain = ("--from-plain-http", "--to-plain-http")
        configs = (f"--{side}-registry-config={self.stack.auth_file}" for side in ("from", "to"))
        return self.run("cp", "-r", *plain, *configs, source, destination)


class Helm(Tool):
    names = ("helm",)

    def push(self, chart: Path, place: Place) -> Done:
        return self.run("push", chart, f"oci://{place.name}", *self._flags())

    def pull(self, place: Place, name: str, version: str) -> Done:
        folder = self.output_folder()
        folder.mkdir()
        oci = f"oci://{place.name}/{name}"
        return self.run("pull", oci, f"--version={version}", f"--destination={folder}", *self._flags())

    def _flags(self) -> tuple[str, str]:
        return "--plain-http", f"--registry-config={self.stack.auth_file}"


class Docker(Tool):
    names = ("/usr/bin/docker", "docker")

    def __init__(self, stack: Stack, folder: Path, engine: Dockerd) -> None:
        super().__init__(stack, folder)
        self._engine = engine

    def docker(self, *words: str | Path) -> Done:
        return self.run("--host", f"unix://{self._engine.socket}", *words)

    def push(self, archive: Path, name: str, reference: str) -> Done:
        self.docker("load", "--input", archive)
        self.docker("tag", name, reference)
        return self.docker("push", reference)

    def pull_afresh(self, reference: str) -> Done:
        """Pull what this engine has not."""
        self.docker("image", "prune", "--all", "--force")
        return self.docker("pull", reference)

    def pull_twice(self, reference: str) -> Done:
        """The second time the engine asks for the digest only."""
        self.pull_afresh(reference)
        return self.docker("pull", reference)


class Ctr(Tool):
    names = ("ctr",)

    def __init__(self, stack: Stack, folder: Path, engine: Containerd) -> None:
        super().__init__(stack, folder)
        self._engine = engine

    def images(self, command: str, *words: str | Path) -> Done:
        return self.run("--address", self._engine.socket, "images", command, *words)

    def push(self, reference: str) -> Done:
        return self.images("push", *self._flags(), reference)

    def pull(self, reference: str) -> Done:
        flags = ("--snapshotter=native", "--all-platforms")
        done = self.images("pull", *self._flags(), *flags, reference)
        return Done(status=done.status, digest=self._digest_of(reference), output=done.output)

    def pull_afresh(self, reference: str) -> Done:
        for line in self.images("list", "--quiet").output.split():
            self.images("remove", "--sync", line)
        return self.pull(reference)

    def pull_twice(self, reference: str) -> Done:
        """The second time the engine asks for the digest only."""
        self.pull_afresh(reference)
        return self.pull(reference)

    def _digest_of(self, reference: str) -> str:
        listed = self.images("list", f"name=={reference}").output
        return next(iter(re.findall(r"sha256:[0-9a-f]{64}", listed)), "")

    def _flags(self) -> list[str]:
        user = self.stack.user
        return ["--plain-http", *(["--user", ":".join(user.pair)] if user else [])]


class Podman(Tool):
    """Also buildah, which has the same store and flags."""

    names = ("podman",)

    def __init__(self, stack: Stack, folder: Path, run_folder: Path) -> None:
        """podman refuses a run folder whose path is longer than 50 characters."""
        super().__init__(stack, folder)
        self._run_folder = run_folder

    def push(self, image: str, reference: str, *, program: str = "podman") -> Done:
        printed = self.folder / "digest"
        words = ("push", *self._remote(), f"--digestfile={printed}", image, f"docker://{reference}")
        done = self.on_store(program, *words)
        digest = printed.read_text().strip() if done.status == 0 else ""
        return Done(status=done.status, digest=digest, output=done.output)

    def load(self, archive: Path) -> Done:
        return self.on_store("podman", "load", "--input", archive)

    def pull(self, reference: str) -> Done:
        return self.on_store("podman", "pull", *self._remote(), reference)

    def pull_afresh(self, reference: str) -> Done:
        self.on_store("podman", "rmi", "--all", "--force")
        done = self.pull(reference)
        shown = self.on_store("podman", "image", "inspect", "--format={{.Digest}}", reference)
        return Done(status=done.status, digest=shown.output.strip(), output=done.output)

    def on_store(self, program: str, *words: str | Path) -> Done:
        self.program = require_program(program)
        store = [
            f"--root={self.folder / 'store'}",
            f"--runroot={self._run_folder}",
            "--storage-driver=vfs",
        ]
        cgroups = ["--cgroup-manager=cgroupfs", "--events-backend=file"] if program == "podman" else []
        return self.run(*store, *cgroups, *words)

    def _remote(self) -> tuple[str, ...]:
        return "--tls-verify=false", f"--authfile={self.stack.auth_file}"


def _tag_of(layout: Path) -> str:
    (entry,) = json.loads((layout / "index.json").read_text())["manifests"]
    return str(entry["annotations"]["org.opencontainers.image.ref.name"])


def _with_digest_of(done: Done, manifest: Path) -> Done:
    digest = digest_of(manifest.read_bytes()) if done.status == 0 else ""
    return Done(status=done.status, digest=digest, output=done.output)
