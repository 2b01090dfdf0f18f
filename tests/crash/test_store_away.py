"""A disk that is full, a volume that is missing: traffic goes on, and no event is lost.

The whole program before a real registry. "Full" is RLIMIT_FSIZE of the running process: every write to a
file fails, the log's too, until the limit is taken away. "Read-only" is the permissions of the folder, for a
process that they bind even where tests run as root.
"""

import resource
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.crash.support import Upstreams, ask, put_manifest, sidecar_before, variant
from tests.support.images import build_image
from tests.support.process import wait_until
from tests.support.receiver import Answer, Receiver, accept
from tests.support.servers import Sidecar

IMAGE = build_image("room")


@contextmanager
def a_full_disk(pid: int) -> Iterator[None]:
    fill_disk(pid)
    try:
        yield
    finally:
        make_room(pid)


def make_room(pid: int) -> None:
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))


def fill_disk(pid: int) -> None:
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))


@contextmanager
def a_read_only(folder: Path) -> Iterator[None]:
    for path in folder.iterdir():
        path.chmod(0o444)
    folder.chmod(0o555)
    try:
        yield
    finally:
        folder.chmod(0o755)
        for path in folder.iterdir():
            path.chmod(0o644)


class BoundSidecar(Sidecar):
    """It may begin on a full disk, and permissions bind it."""

    begins_full = False

    def command(self) -> Sequence[str]:
        room = "0" if self.begins_full else "unlimited"
        return (
            "sh",
            "-c",
            f'ulimit -S -f {room}; exec "$@"',
            "sh",
            sys.executable,
            "-c",
            _BOUND,
            *self._rest(),
        )

    def _rest(self) -> Sequence[str]:
        return super().command()[1:]


#: Root without CAP_DAC_OVERRIDE (1), dropped from the bounding set (24) before exec; others never had it.
_BOUND = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(24, 1, 0, 0, 0); "
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)


def a_sidecar(folder: Path, upstreams: Upstreams, receiver: Receiver, **settings: Any) -> BoundSidecar:
    settings = {"notification": {"retry_waits_s": [0.2]}, "events": {"pull_hold_s": 0.2}} | settings
    return sidecar_before(upstreams, BoundSidecar, folder, receiver, IMAGE, **settings)


def push(sidecar: Sidecar, tag: str) -> int:
    return put_manifest(sidecar, tag, variant(IMAGE, tag)).status_code


def pull(sidecar: Sidecar, tag: str) -> int:
    url = f"{sidecar.url}/v2/prj/app/manifests/{tag}"
    return ask("GET", url, headers={"Accept": IMAGE.media_type}).status_code


def has(upstreams: Upstreams, tag: str) -> bool:
    url = f"{upstreams.registry.url}/v2/prj/app/manifests/{tag}"
    return ask("HEAD", url, headers={"Accept": IMAGE.media_type}).status_code == 200


def readiness(sidecar: Sidecar) -> tuple[int, str]:
    answer = ask("GET", f"{sidecar.admin_url}/readyz")
    return answer.status_code, answer.json()["status"]


def metric(sidecar: Sidecar, name: str) -> float:
    lines = ask("GET", f"{sidecar.admin_url}/metrics").text.splitlines()
    (value,) = [line.split()[1] for line in lines if line.startswith(f"sidecar_{name} ")]
    return float(value)


def delivered(receiver: Receiver, event_type: str = "pushImage") -> Counter[str]:
    """How often each tag's event came."""
    bodies = (request.json() for request in receiver.requests)
    return Counter(body["events"][0]["tag"] for body in bodies if body["event_type"] == event_type)


@dataclass
class Load:
    """Clients that push tags of their own and pull, all the time."""

    sidecar: Sidecar
    pushed: list[str] = field(default_factory=list)
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    longest_s: float = 0
    is_over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def going_on(self) -> Iterator[None]:
        clients = [threading.Thread(target=self._run, args=(n,)) for n in range(4)]
        for client in clients:
            client.start()
        try:
            yield
        finally:
            self.is_over.set()
            for client in clients:
                client.join()

    def _run(self, client: int) -> None:
        number = 0
        while not self.is_over.is_set():
            number += 1
            tag, began = f"c{client}-{number}", time.monotonic()
            status = push(self.sidecar, tag)
            self.longest_s = max(self.longest_s, time.monotonic() - began)
            self.statuses["push", status] += 1
            self.pushed.append(tag)
            self.statuses["pull", pull(self.sidecar, tag)] += 1


def test_disk_that_fills_up_under_load_stops_nothing_and_loses_nothing(
    upstreams: Upstreams, tmp_path: Path
) -> None:
    with Receiver() as receiver, a_sidecar(tmp_path, upstreams, receiver) as sidecar:
        load = Load(sidecar)
        with load.going_on():
            receiver.wait_for(20)
            with a_full_disk(sidecar.pid):
                wait_until(lambda: readiness(sidecar) == (200, "degraded"), 10, what="it to say so")
                before = len(load.pushed)
                wait_until(lambda: len(load.pushed) > before + 50, 20, what="pushes on a full disk")
                assert metric(sidecar, "store_up") == 0
                assert metric(sidecar, "events_in_memory") > 50
                known = delivered(receiver)
                time.sleep(0.5)
                assert delivered(receiver) == known, "sent before it was on the disk"
            wait_until(lambda: readiness(sidecar) == (200, "ready"), 10, what="it to be well again")
        print(load.statuses, f"longest push {load.longest_s:.2f} s")
        assert load.statuses.keys() == {("push", 201), ("pull", 200)}
        wait_until(lambda: delivered(receiver).keys() >= set(load.pushed), 20, what="all events")
        assert delivered(receiver) == Counter(load.pushed), "no crash, so nothing comes twice"
        assert metric(sidecar, "store_up") == 1
        assert metric(sidecar, "events_in_memory") == 0
        assert metric(sidecar, "events_lost_total") == 0


def test_strict_refuses_writes_before_they_are_forwarded_and_pulls_go_on(
    upstreams: Upstreams, tmp_path: Path
) -> None:
    with Receiver() as receiver, a_sidecar(tmp_path, upstreams, receiver, strict=True) as sidecar:
        assert push(sidecar, "strict-before") == 201
        receiver.wait_for(1)
        with a_full_disk(sidecar.pid):
            assert push(sidecar, "strict-refused") == 503
            assert not has(upstreams, "strict-refused")
            assert pull(sidecar, "base") == 200
            wait_until(lambda: readiness(sidecar) == (503, "unavailable"), 5, what="it to say so")
        wait_until(lambda: readiness(sidecar) == (200, "ready"), 10, what="it to be well again")
        assert push(sidecar, "strict-after") == 201
        wait_until(lambda: "strict-after" in delivered(receiver), 10, what="the event")
        assert delivered(receiver) == {"strict-before": 1, "strict-after": 1}
        wait_until(
            lambda: delivered(receiver, "pullImage") == {"base": 1}, 10, what="the pull on a full disk"
        )


def test_volume_that_comes_after_the_start_gets_what_happened_before(
    upstreams: Upstreams, tmp_path: Path
) -> None:
    with Receiver() as receiver:
        sidecar = a_sidecar(tmp_path, upstreams, receiver, data_volume=str(tmp_path / "volume" / "data"))
        (tmp_path / "volume").write_text("not mounted yet")
        with sidecar:
            assert readiness(sidecar) == (200, "degraded")
            assert [push(sidecar, f"early-{n}") for n in range(5)] == [201] * 5
            assert not receiver.requests
            (tmp_path / "volume").unlink()
            receiver.wait_for(5)
            wait_until(lambda: readiness(sidecar) == (200, "ready"), 5, what="it to be well")
            assert delivered(receiver) == {f"early-{n}": 1 for n in range(5)}


def test_what_a_crash_left_unfinished_is_sent_when_the_disk_was_full_at_the_next_start(
    upstreams: Upstreams, tmp_path: Path
) -> None:
    with (
        Receiver(lambda _: Answer(delay_s=30)) as receiver,
        a_sidecar(tmp_path, upstreams, receiver) as sidecar,
    ):
        assert push(sidecar, "unfinished") == 201
        (first,) = receiver.wait_for(1)
        sidecar.kill()
        receiver.respond = accept
        sidecar.begins_full = True
        sidecar.start()
        assert push(sidecar, "while-full") == 201
        assert readiness(sidecar) == (200, "degraded")
        make_room(sidecar.pid)
        wait_until(lambda: "while-full" in delivered(receiver), 10, what="the event of the full disk")
        wait_until(lambda: delivered(receiver)["unfinished"] == 2, 10, what="the unfinished one")
        ids = {request.header("webhook-id") for request in receiver.requests if request.body == first.body}
        assert ids == {first.header("webhook-id")}


def test_store_that_was_read_only_at_the_start_is_written_as_soon_as_it_may_be(
    upstreams: Upstreams, tmp_path: Path
) -> None:
    with Receiver() as receiver, a_sidecar(tmp_path, upstreams, receiver) as sidecar:
        assert push(sidecar, "writable") == 201
        receiver.wait_for(1)
        sidecar.kill()
        with a_read_only(sidecar.folder / "data"):
            sidecar.start()
            assert push(sidecar, "read-only") == 201
            wait_until(lambda: readiness(sidecar) == (200, "degraded"), 5, what="it to say so")
            assert "read-only" not in delivered(receiver)
        wait_until(lambda: "read-only" in delivered(receiver), 10, what="the event")
        assert push(sidecar, "after") == 201
        wait_until(lambda: "after" in delivered(receiver), 10, what="the next event")
        assert delivered(receiver)["read-only"] == 1


def test_stopping_on_a_full_disk_ends_in_time(upstreams: Upstreams, tmp_path: Path) -> None:
    with Receiver() as receiver, a_sidecar(tmp_path, upstreams, receiver) as sidecar:
        fill_disk(sidecar.pid)
        assert push(sidecar, "lost") == 201
        began = time.monotonic()
        assert sidecar.terminate() == 0
        assert time.monotonic() - began < 10
