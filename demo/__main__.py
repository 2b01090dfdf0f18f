"""Starts a registry, ChartMuseum, a receiver and the sidecar, plays the show, and stays until Ctrl-C.

With ONCE=1 in the environment it ends after the show: status 0 only when all six events arrived.
"""

import os
import signal
import socket
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from demo import screen
from demo.show import Stage, play
from tests.support.process import NotInstalledError, free_port, is_installed
from tests.support.receiver import Receiver
from tests.support.servers import ADMIN_PASSWORD, ChartMuseum, Registry, Sidecar, Version, policy


def main() -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    once = os.environ.get("ONCE", "") not in ("", "0")
    try:
        with tempfile.TemporaryDirectory(prefix="sidecar-demo-") as folder, ExitStack() as servers:
            return _run(Path(folder), servers, once=once)
    except KeyboardInterrupt:
        screen.say("\nbye")
        return 130 if once else 0
    except (NotInstalledError, RuntimeError, TimeoutError) as error:
        screen.problem(str(error))
        return 1


def _run(folder: Path, servers: ExitStack, *, once: bool) -> int:
    receiver = servers.enter_context(Receiver())
    registry, charts = _start_upstreams(folder, servers)
    sidecar = servers.enter_context(_sidecar(folder, registry, charts, receiver))
    stage = Stage(folder=folder / "work", host=sidecar.host)
    stage.folder.mkdir()
    receiver.respond = stage.on_webhook
    _introduce(sidecar, registry, charts, receiver)
    is_complete = play(stage, with_charts=charts is not None)
    if once:
        return 0 if is_complete else 1
    _invite(sidecar, with_charts=charts is not None)
    while True:
        signal.pause()


def _start_upstreams(folder: Path, servers: ExitStack) -> tuple[Registry, ChartMuseum | None]:
    version: Version = "3" if is_installed("registry") else "2.8"
    registry = servers.enter_context(Registry(folder / "registry", version=version))
    if not is_installed("chartmuseum"):
        screen.say("ChartMuseum is not installed (it is built by Go): no chart events in this show.")
        return registry, None
    return registry, servers.enter_context(ChartMuseum(folder / "chartmuseum"))


def _sidecar(folder: Path, registry: Registry, charts: ChartMuseum | None, receiver: Receiver) -> Sidecar:
    project = {"name": "prj", "public": False, "webhook_policies": [policy(f"{receiver.url}/hook")]}
    return Sidecar(
        folder / "sidecar",
        registry=registry.url,
        chart_repository=charts.url if charts else None,
        projects=[project],
        proxy_port=_port(5000),
        admin_port=_port(8080),
    )


def _port(wanted: int) -> int:
    """The port that people expect, or another when it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            return free_port()
    return wanted


def _introduce(sidecar: Sidecar, registry: Registry, charts: ChartMuseum | None, receiver: Receiver) -> None:
    screen.title("Running")
    screen.facts(
        [
            ("sidecar", f"{sidecar.url}  (what clients use)"),
            ("registry behind it", registry.url),
            *([("charts behind it", charts.url)] if charts else []),
            ("webhook receiver", receiver.url),
            ("harbor.yml", str(sidecar.configuration)),
        ]
    )


def _invite(sidecar: Sidecar, *, with_charts: bool) -> None:
    screen.title("Your turn: what you do to project prj shows up here")
    copy = "skopeo copy --dest-tls-verify=false docker-archive:FILE"
    screen.facts(
        [
            (
                "docker",
                f"docker tag IMAGE {sidecar.host}/prj/app:v1 && docker push {sidecar.host}/prj/app:v1",
            ),
            ("skopeo", f"{copy} docker://{sidecar.host}/prj/app:v1"),
            *([("helm", f"helm repo add demo {sidecar.url}/prj")] if with_charts else []),
            ("web page", f"{sidecar.admin_url}/  (admin / {ADMIN_PASSWORD})"),
            ("metrics", f"curl {sidecar.admin_url}/metrics"),
            ("log", f"tail -f {sidecar.log}"),
        ]
    )
    screen.say("\nCtrl-C ends it all.")


sys.exit(main())
