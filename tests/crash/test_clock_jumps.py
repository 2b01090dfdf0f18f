"""The system's clock is set, forward or back, while the sidecar runs or while it is stopped.

The whole program before a real registry; only the sidecar's own clock is moved. No event is lost, none comes
later by as much as the clock went back, and tags are told as they are.
"""

import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.crash.support import Upstreams, ask, put_manifest, sidecar_before, variant
from tests.support.images import Artifact, build_image
from tests.support.process import wait_until
from tests.support.receiver import Answer, Received, Receiver, accept
from tests.support.servers import Sidecar

IMAGE = build_image("clock")
HOUR_S, DAY_S = 3600, 86_400


class ClockedSidecar(Sidecar):
    """Its clock can be set."""

    def set_clock(self, by_s: float) -> None:
        """Set it to the true time and so many seconds."""
        draft = self.folder / "offset.draft"
        draft.write_text(str(by_s))
        draft.rename(self._offset)

    @property
    def _offset(self) -> Path:
        return self.folder / "offset"

    def command(self) -> Sequence[str]:
        if not self._offset.exists():
            self.set_clock(0)
        python, _, _, *arguments = super().command()
        return python, "-m", "tests.crash.moved_clock", str(self._offset), *arguments


def a_sidecar(folder: Path, upstreams: Upstreams, receiver: Receiver, **settings: Any) -> ClockedSidecar:
    settings = {"notification": {"retry_waits_s": [2]}, "events": {"pull_hold_s": 2}} | settings
    return sidecar_before(upstreams, ClockedSidecar, folder, receiver, IMAGE, **settings)


def push(sidecar: Sidecar, tag: str, image: Artifact | None = None) -> None:
    assert put_manifest(sidecar, tag, image or variant(IMAGE, tag)).status_code == 201


def pull(sidecar: Sidecar, tag: str) -> None:
    url = f"{sidecar.url}/v2/prj/app/manifests/{tag}"
    # Not as whoever pushes: what is made of an image that was looked at is no pull of it.
    headers = {"Accept": IMAGE.media_type, "User-Agent": "node/1"}
    assert ask("GET", url, headers=headers).status_code == 200
    wait_until(lambda: rows(sidecar, "held") == 1, 5, what="the pull to be held")


def delete(sidecar: Sidecar, digest: str) -> None:
    assert ask("DELETE", f"{sidecar.url}/v2/prj/app/manifests/{digest}").status_code == 202


def rows(sidecar: Sidecar, table: str, where: str = "1") -> int:
    store = sqlite3.connect(sidecar.folder / "data" / "sidecar.db")
    try:
        (number,) = store.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchone()
    finally:
        store.close()
    return int(number)


def until_waiting(sidecar: Sidecar, number: int = 1) -> None:
    """Until so many deliveries have failed and wait to be tried again."""
    failed = "state = 'waiting' AND failures > 0"
    wait_until(lambda: rows(sidecar, "deliveries", failed) == number, 5, what=f"{number} to wait")


def events_of(receiver: Receiver, event_type: str) -> list[dict[str, Any]]:
    """What came, each event once."""
    found = {
        request.header("webhook-id"): request.json()["events"][0]
        for request in receiver.requests
        if request.json()["event_type"] == event_type
    }
    return list(found.values())


class Refusing:
    """Answers 500 to the first attempt of each delivery, after a while 200 to one that it is told."""

    def __init__(self, *, slow_tag: str = "") -> None:
        self.accepted: Counter[str] = Counter()  #: tags
        self._slow_tag = slow_tag

    def __call__(self, request: Received) -> Answer:
        tag = request.json()["events"][0]["tag"]
        if tag != self._slow_tag and request.header("X-Sidecar-Attempt") == "1":
            return Answer(status=500)
        self.accepted[tag] += 1
        return Answer(delay_s=2 if tag == self._slow_tag else 0)


@pytest.mark.parametrize("by_s", [-10, -HOUR_S, -30 * DAY_S])
def test_retry_comes_when_it_was_meant_to_though_the_clock_went_back(
    upstreams: Upstreams, tmp_path: Path, by_s: int
) -> None:
    with Receiver(Refusing()) as receiver, a_sidecar(tmp_path, upstreams, receiver) as sidecar:
        push(sidecar, "v1")
        until_waiting(sidecar)
        sidecar.set_clock(by_s)
        first, second = receiver.wait_for(2, timeout_s=6)
        assert second.at - first.at > 1.5, "it has waited its time"
        assert second.header("webhook-id") == first.header("webhook-id")
        (line,) = sidecar.logged("clock.went_back")
        assert line["seconds"] == pytest.approx(-by_s, abs=1)


def test_held_pull_comes_though_the_clock_went_back(upstreams: Upstreams, tmp_path: Path) -> None:
    with Receiver() as receiver, a_sidecar(tmp_path, upstreams, receiver) as sidecar:
        pull(sidecar, "base")
        sidecar.set_clock(-HOUR_S)
        receiver.wait_for(1, timeout_s=6)
        assert [event["tag"] for event in events_of(receiver, "pullImage")] == ["base"]


def test_tag_that_moved_after_the_clock_went_back_is_told_as_it_is(
    upstreams: Upstreams, tmp_path: Path
) -> None:
    old, new = variant(IMAGE, "old"), variant(IMAGE, "new")
    with Receiver() as receiver, a_sidecar(tmp_path, upstreams, receiver) as sidecar:
        push(sidecar, "moving", old)
        sidecar.set_clock(-HOUR_S)
        push(sidecar, "moving", new)  # before anybody has noticed
        delete(sidecar, old.digest)
        delete(sidecar, new.digest)
        wait_until(lambda: len(events_of(receiver, "deleteImage")) == 2, 6, what="both deletes")
        tags = {event["digest"]: event["tags"] for event in events_of(receiver, "deleteImage")}
        assert tags == {old.digest: [], new.digest: ["moving"]}


def test_attempt_under_way_when_the_clock_went_back_is_made_again_after_a_crash(
    upstreams: Upstreams, tmp_path: Path
) -> None:
    with (
        Receiver(lambda _: Answer(delay_s=9)) as receiver,
        a_sidecar(tmp_path, upstreams, receiver) as sidecar,
    ):
        push(sidecar, "v1")
        receiver.wait_for(1)
        sidecar.set_clock(-HOUR_S)
        wait_until(lambda: bool(sidecar.logged("clock.went_back")), 5, what="it to be noticed")
        time.sleep(0.2)
        sidecar.kill()
        receiver.respond = accept
        sidecar.start()
        first, second = receiver.wait_for(2, timeout_s=6)
        assert first.body == second.body


@pytest.mark.parametrize("back_after_s", [None, 0, 3])
def test_clock_that_goes_forward_loses_and_repeats_nothing(
    upstreams: Upstreams, tmp_path: Path, back_after_s: float | None
) -> None:
    refusing, waiting = Refusing(slow_tag="slow"), [f"v{n}" for n in range(5)]
    with Receiver(refusing) as receiver, a_sidecar(tmp_path, upstreams, receiver) as sidecar:
        for tag in waiting:
            push(sidecar, tag)
        until_waiting(sidecar, len(waiting))
        push(sidecar, "slow")
        receiver.wait_for(len(waiting) + 1)
        sidecar.set_clock(30 * DAY_S)
        push(sidecar, "then")
        if back_after_s is not None:
            then = f"next_attempt_at > {time.time() + DAY_S}"
            wait_until(lambda: rows(sidecar, "deliveries", then) > 0, 5, what="a retry in the future")
            time.sleep(back_after_s)
            push(sidecar, "later")
            sidecar.set_clock(0)
            waiting.append("later")
        expected = Counter([*waiting, "slow", "then"])
        wait_until(lambda: refusing.accepted >= expected, 10, what="every event")
        time.sleep(1)
        assert refusing.accepted == expected
        assert not sidecar.logged("background.failed")


@pytest.mark.parametrize("by_s", [-HOUR_S, -DAY_S, 30 * DAY_S])
def test_clock_set_while_the_sidecar_was_stopped_delays_nothing(
    upstreams: Upstreams, tmp_path: Path, by_s: int
) -> None:
    receiver = Receiver(Refusing(slow_tag="under-way"))
    with receiver, a_sidecar(tmp_path, upstreams, receiver) as sidecar:
        push(sidecar, "waiting")
        until_waiting(sidecar)
        pull(sidecar, "base")
        push(sidecar, "under-way")
        receiver.wait_for(2)
        sidecar.kill()
        receiver.clear()
        receiver.respond = accept
        sidecar.set_clock(by_s)
        sidecar.start()
        wait_until(lambda: len(events_of(receiver, "pushImage")) == 2, 6, what="what waited")
        wait_until(lambda: len(events_of(receiver, "pullImage")) == 1, 6, what="the pull that was held")
        assert {event["tag"] for event in events_of(receiver, "pushImage")} == {"waiting", "under-way"}
        unfinished = "state IN ('waiting', 'sending')"
        wait_until(lambda: rows(sidecar, "deliveries", unfinished) == 0, 6, what="all to be recorded")
        assert bool(sidecar.logged("clock.went_back")) == (by_s < 0)
