"""Writes the database of the version that is installed, with everything in it that a later one must take over.

    python -m tests.crash.write_database tests/golden/database/VERSION.sql

The real sidecar relays real requests to a real registry, and is killed by SIGKILL: two operations are then under way, one
that the registry has accepted and one that it has never seen, and one delivery is being sent. See the README beside the
file. To be run once for a version, before the tables change; the file is kept as it is from then on.
"""

import asyncio
import runpy
import sqlite3
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.support.images import Artifact, build_image, upload
from tests.support.process import wait_until
from tests.support.receiver import Answer, Received, Receiver
from tests.support.servers import Registry, Sidecar

FOLDER = Path(__file__).parents[1] / "golden" / "database"
PUSHED = build_image("waiting")  #: prj/app:v1, before and while the targets are away
HELD = build_image("held")  #: by its digest, to prj/held
DELETED = build_image("deleted")  #: prj/deleted:v1, whose DELETE was accepted without an answer
ACCEPTED = build_image("accepted")  #: prj/accepted:v1, accepted without an answer
NEVER_SENT = build_image("never-sent")  #: prj/never-sent:v1
_SLOW_S = 120.0


class Proxied(Sidecar):
    """The sidecar with the configuration beside the databases, its webhooks sent through a forward proxy."""

    def __init__(self, folder: Path, *, registry: str, proxy: str, is_stopped_midway: bool = False) -> None:
        settings = yaml.safe_load((FOLDER / "harbor.yml").read_text())
        super().__init__(folder, registry=registry, settings=settings)
        self._proxy = proxy
        self._is_stopped_midway = is_stopped_midway

    def command(self) -> Sequence[str]:
        command = super().command()
        return (
            [sys.executable, "-m", "tests.crash.write_database", *command[3:]]
            if self._is_stopped_midway
            else command
        )

    def environment(self) -> Mapping[str, str]:
        return {**super().environment(), "HTTP_PROXY": self._proxy}


def host_of(request: Received) -> str:
    return request.header("Host")


def write_database(file: Path) -> None:
    with (
        tempfile.TemporaryDirectory() as name,
        Receiver(_respond) as receiver,
        Registry((folder := Path(name)) / "registry") as registry,
        Proxied(
            folder / "sidecar", registry=registry.url, proxy=receiver.url, is_stopped_midway=True
        ) as sidecar,
    ):
        _use(sidecar, registry, receiver)
        sidecar.process.kill()
        sidecar.process.wait()
        file.write_text(_dump(sidecar.folder / "data" / "sidecar.db"))


def _respond(request: Received) -> Answer:
    match host_of(request):
        case "delivered.example.com":
            return Answer(status=200)
        case "gone.example.com":
            return Answer(status=410)
        case "slow.example.com":
            return Answer(status=200, delay_s=_SLOW_S)
        case _:
            return Answer(status=503)


def _use(sidecar: Sidecar, registry: Registry, receiver: Receiver) -> None:
    upload(PUSHED, registry_url=sidecar.url, repository="prj/app", tag="v1")
    wait_until(lambda: _has(receiver, "gone.example.com"), 20, what="a target to be gone")
    upload(PUSHED, registry_url=sidecar.url, repository="prj/app", tag="v2")
    upload(DELETED, registry_url=sidecar.url, repository="prj/deleted", tag="v1")
    wait_until(lambda: _is_away(sidecar), 60, what="a target to be away")
    with httpx.Client(trust_env=False) as client:
        # A pull that is held for a while: its config is asked for, its layers are not.
        accept = {"Accept": PUSHED.media_type, "User-Agent": "docker/27.0 go/go1.22"}
        client.get(f"{sidecar.url}/v2/prj/app/manifests/v1", headers=accept).raise_for_status()
    upload(HELD, registry_url=sidecar.url, repository="prj/held", tag=HELD.digest)
    for image, name in ((ACCEPTED, "accepted"), (NEVER_SENT, "never-sent")):
        upload(image, registry_url=registry.url, repository=f"prj/{name}", tag="other")
    _begin("PUT", f"{sidecar.url}/v2/prj/accepted/manifests/v1", ACCEPTED)
    _begin("PUT", f"{sidecar.url}/v2/prj/never-sent/manifests/v1", NEVER_SENT)
    _begin("DELETE", f"{sidecar.url}/v2/prj/deleted/manifests/{DELETED.digest}", DELETED)
    data = sidecar.folder / "data" / "sidecar.db"
    wait_until(lambda: _count(data, "SELECT count(*) FROM intents") == 3, 20, what="three open intents")
    wait_until(
        lambda: (
            _answers(registry, "accepted", "v1") == 200
            and _answers(registry, "deleted", DELETED.digest) == 404
        ),
        20,
        what="the registry to accept",
    )


def _has(receiver: Receiver, host: str) -> bool:
    return any(host_of(request) == host for request in receiver.requests)


def _is_away(sidecar: Sidecar) -> bool:
    data = sidecar.folder / "data" / "sidecar.db"
    return bool(_count(data, "SELECT count(*) FROM away_targets"))


def _count(database: Path, question: str) -> int:
    with closing(sqlite3.connect(database)) as sql:
        return int(sql.execute(question).fetchone()[0])


def _answers(registry: Registry, name: str, reference: str) -> int:
    url = f"{registry.url}/v2/prj/{name}/manifests/{reference}"
    return httpx.head(url, headers={"Accept": ACCEPTED.media_type}, trust_env=False).status_code


def _begin(method: str, url: str, image: Artifact) -> None:
    """A request that nobody ever answers."""

    def request() -> None:
        with suppress(httpx.TransportError):
            content = image.manifest if method == "PUT" else None
            headers = {"Content-Type": image.media_type}
            httpx.request(method, url, content=content, headers=headers, timeout=60, trust_env=False)

    threading.Thread(target=request, daemon=True).start()


def _dump(database: Path) -> str:
    with closing(sqlite3.connect(database)) as sql:
        version = _count(database, "PRAGMA user_version")
        return "\n".join([*sql.iterdump(), f"PRAGMA user_version = {version};", ""])


def _stop_midway() -> None:
    """Let no answer of the registry to these requests reach the sidecar, and one request not reach the registry."""
    from sidecar.proxy.upstream import Upstream  # noqa: PLC0415  # only in the process that serves

    send: Callable[..., Any] = Upstream.send

    async def stopped(self: Upstream, call: Any) -> Any:
        is_write = call.method in {"PUT", "DELETE"} and "/manifests/" in call.target
        if is_write and "/never-sent/" in call.target:
            await asyncio.Event().wait()
        answer = await send(self, call)
        if is_write and ("/accepted/" in call.target or call.method == "DELETE"):
            await asyncio.Event().wait()
        return answer

    Upstream.send = stopped  # type: ignore[method-assign]


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        _stop_midway()
        runpy.run_module("sidecar", run_name="__main__", alter_sys=True)
    else:
        write_database(Path(sys.argv[1]).resolve())
