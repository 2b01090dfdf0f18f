"""Starts a registry, ChartMuseum, a receiver and the sidecar, runs the demonstration, and stays until Ctrl-C.

The image half starts at once; ChartMuseum is built meanwhile if it is missing, then the chart half follows.
With ONCE=1 in the environment it ends after the demonstration: status 0 only when all seven events arrived.
"""

import os
import signal
import socket
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from demo import screen
from demo.build import Build
from demo.show import Stage, missing_events, play_chart, play_image
from tests.support.process import NotInstalledError, free_port, is_installed
from tests.support.receiver import Receiver
from tests.support.servers import ADMIN_PASSWORD, ChartMuseum, Registry, Sidecar, Version, policy

ENDINGS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    for number in ENDINGS:
        signal.signal(number, _end)
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


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    """Only the first Ctrl-C counts: the cleanup is not interrupted by others."""
    for number in ENDINGS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _run(folder: Path, servers: ExitStack, *, once: bool) -> int:
    build = None if is_installed("chartmuseum") else servers.enter_context(Build("charts"))
    receiver = servers.enter_context(Receiver())
    version: Version = "3" if is_installed("registry") else "2.8"
    registry = servers.enter_context(Registry(folder / "registry", version=version))
    charts_port = free_port()
    sidecar = servers.enter_context(_sidecar(folder, registry, charts_port, receiver))
    stage = Stage(folder=folder / "work", host=sidecar.host)
    stage.folder.mkdir()
    receiver.respond = stage.on_webhook
    _introduce(
        sidecar, registry, f"http://127.0.0.1:{charts_port}{' (once it is built)' if build else ''}", receiver
    )
    play_image(stage)
    has_charts = _has_charts(build, sidecar)
    if has_charts:
        servers.enter_context(_chart_museum(folder, charts_port))
        play_chart(stage)
    missing = missing_events(stage)
    if missing:
        screen.problem(f"\nmissing: {', '.join(missing)}")
    if once:
        return 1 if missing else 0
    _invite(sidecar, with_charts=has_charts)
    while True:
        signal.pause()


def _has_charts(build: Build | None, sidecar: Sidecar) -> bool:
    """Whether ChartMuseum is there; waits for its build."""
    if build is None:
        return True
    if build.is_running():
        screen.title("The chart half follows when ChartMuseum is built")
        screen.say(f"  until then, what you push to {sidecar.host}/prj/ shows up here")
    if build.wait():
        return True
    screen.problem("\nThe chart half is left out: no ChartMuseum (see above).")
    return False


def _chart_museum(folder: Path, port: int) -> ChartMuseum:
    charts = ChartMuseum(folder / "chartmuseum")
    charts.port = port
    return charts


def _sidecar(folder: Path, registry: Registry, charts_port: int, receiver: Receiver) -> Sidecar:
    project = {"name": "prj", "public": False, "webhook_policies": [policy(f"{receiver.url}/hook")]}
    return Sidecar(
        folder / "sidecar",
        registry=registry.url,
        chart_repository=f"http://127.0.0.1:{charts_port}",
        projects=[project],
        proxy_port=_port(5000),
        admin_port=_port(8080),
    )


def _port(wanted: int) -> int:
    """The usual port, or another when it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            return free_port()
    return wanted


def _introduce(sidecar: Sidecar, registry: Registry, charts: str, receiver: Receiver) -> None:
    screen.title("Running")
    screen.facts(
        [
            ("sidecar", f"{sidecar.url}  (what clients use)"),
            ("registry behind it", registry.url),
            ("charts behind it", charts),
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
