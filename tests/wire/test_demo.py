"""`make run` where ChartMuseum has to be built: the image half does not wait for it, nor suffer from it.

A copy of the demo with tools of its own, and a `go` that is asked for its version and told to build; what the
real one builds, .ci/run shows.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.process import ROOT, environment, require_program, wait_until

IMAGE_EVENTS = ("pushImage", "pullImage", "deleteImage")
CHART_EVENTS = ("uploadChart", "downloadChart", "deleteChart", "projectQuota")
GO = """#!/bin/sh
if [ "$1" = env ]; then echo go1.25.0; exit; fi
echo "$$" >"$GO_PID_FILE"
"""
FAILS = 'echo "go: downloading helm.sh/helm v3"; echo "no space left on device" >&2; exit 1\n'
HANGS = "exec sleep 300\n"


class Checkout:
    """The demo with a registry, and without ChartMuseum, crane, helm or a real Go."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("demo", "tests/support", "scripts"):
            shutil.copytree(ROOT / name, folder / name)
        (folder / "tests" / "__init__.py").touch()
        self.tools = folder / ".tools" / "bin"
        self.tools.mkdir(parents=True)
        registry = Path(require_program("registry", "docker-registry"))
        (self.tools / registry.name).symlink_to(registry)
        self.go_pid = folder / "go.pid"

    def install_go(self, build: str) -> None:
        go = self.tools / "go"
        go.write_text(GO + build)
        go.chmod(0o755)

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "demo"],
            cwd=self.folder,
            env=environment(
                PATH=os.pathsep.join([str(self.tools), "/usr/bin", "/bin"]),
                PYTHONPATH=os.pathsep.join([str(self.folder), str(ROOT)]),
                GO_PID_FILE=str(self.go_pid),
                TMPDIR=str(self.folder),
                ONCE="1",
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


@pytest.fixture
def started(checkout: Checkout) -> Iterator[subprocess.Popen[str]]:
    """The demo, while ChartMuseum is built and does not get ready."""
    checkout.install_go(HANGS)
    with checkout.start() as process:
        yield process
        process.terminate()  # killed, it would leave its servers behind


def webhooks_in(output: str) -> list[str]:
    lines = (line.split() for line in output.splitlines())
    return [words[1] for words in lines if words[:1] == ["webhook"] and words[2:3] == ["after"]]


def test_a_build_that_fails_is_one_line_and_the_image_half_goes_on(checkout: Checkout) -> None:
    checkout.install_go(FAILS)
    process = checkout.start()
    output, _ = process.communicate(timeout=60)
    assert webhooks_in(output) == list(IMAGE_EVENTS)
    said = [line for line in output.splitlines() if "no space left on device" in line]
    assert [line.strip() for line in said] == [
        "tools: FAILED: chartmuseum: no space left on device (all of it: .tools/logs/chartmuseum.log)"
    ]
    assert f"missing: {', '.join(CHART_EVENTS)}" in output
    assert process.returncode == 1
    assert "downloading" in (checkout.folder / ".tools" / "logs" / "chartmuseum.log").read_text()


def test_without_go_it_says_what_is_left_out(checkout: Checkout) -> None:
    checkout.install_go("")
    (checkout.tools / "go").write_text("#!/bin/sh\nexit 127\n")
    process = checkout.start()
    output, _ = process.communicate(timeout=60)
    assert webhooks_in(output) == list(IMAGE_EVENTS)
    assert "tools: FAILED: chartmuseum is built by Go" in output
    assert "The chart half is left out" in output
    assert process.returncode == 1


def test_webhooks_of_the_image_are_shown_while_the_build_goes_on(
    checkout: Checkout, started: subprocess.Popen[str]
) -> None:
    assert shown_until("The chart half follows", started) == list(IMAGE_EVENTS)
    assert is_alive(psutil.Process(int(checkout.go_pid.read_text())))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_nothing_is_left_of_a_demo_that_is_ended_during_a_build(
    checkout: Checkout, started: subprocess.Popen[str], number: signal.Signals
) -> None:
    shown_until("webhook pushImage", started)
    wait_until(checkout.go_pid.exists, 10, what="the build")
    below = psutil.Process(started.pid).children(recursive=True)
    assert int(checkout.go_pid.read_text()) in [process.pid for process in below]
    started.send_signal(number)
    started.send_signal(number)  # an impatient one
    assert started.wait(30) == 130
    wait_until(lambda: not any(map(is_alive, below)), 10, what="what it started to end")
    assert list(checkout.folder.glob("sidecar-demo-*")) == []


def shown_until(text: str, process: subprocess.Popen[str]) -> list[str]:
    """The webhooks that it showed before `text`."""
    deadline, lines = time.monotonic() + 60, []
    for line in process.stdout or ():
        lines.append(line)
        if text in line:
            return webhooks_in("".join(lines))
        assert time.monotonic() < deadline, lines
    raise AssertionError(f"it ended: {lines}")


def is_alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
