"""Steps of one client in one repository: each is done through the sidecar and directly, and compared."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.clients.stack import Stack

ARRIVES_WITHIN_S = 15.0

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A repository on a host, as clients write it."""

    host: str
    repository: str

    @property
    def name(self) -> str:
        return f"{self.host}/{self.repository}"

    def tag(self, tag: str) -> str:
        return f"{self.name}:{tag}"

    def at(self, digest: str) -> str:
        return f"{self.name}@{digest}"

    def beside(self, suffix: str) -> "Place":
        """Another repository on the same host."""
        return Place(host=self.host, repository=self.repository + suffix)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How a client's command ended."""

    status: int
    digest: str = ""  #: of what was pushed or pulled, as the client sees it
    output: str = ""


Action = Callable[[Place], Done]


class Journey:
    def __init__(self, stack: Stack, name: str) -> None:
        self.stack = stack
        self.through = Place(host=stack.through, repository=f"prj/{name}")
        self.direct = Place(host=stack.direct, repository=f"prj/{name}-direct")
        self._expected: dict[str, list[Json]] = {}

    def step(self, what: str, action: Action, *events: Json, fails: bool = False) -> Done:
        """Do it at both places; `events` are what the receiver must get, each with the keys that matter.

        An event is of the journey's repository unless it names another as `beside` (its suffix).
        """
        through, direct = self.both(action)
        assert through.status == direct.status, f"{what}: {through.output}\ndirectly: {direct.output}"
        assert bool(through.status) is fails, f"{what}: {through.output}"
        assert through.digest == direct.digest, f"{what}: {through}\ndirectly: {direct}"
        self.expect(what, *events, digest=through.digest)
        return through

    def both(self, action: Action) -> tuple[Done, Done]:
        """Through the sidecar, and directly."""
        return action(self.through), action(self.direct)

    def expect(self, what: str, *events: Json, digest: str = "") -> None:
        """Wait for the next events, in any order where they are alike."""
        for event in events:
            self._expect(what, event, digest)

    def _expect(self, what: str, event: Json, digest: str) -> None:
        repository = self.through.repository + event.pop("beside", "")
        expected = self._expected.setdefault(repository, [])
        expected.append(self._common(digest) | event)
        arrived = self._wait(repository, len(expected))
        assert len(arrived) >= len(expected), f"{what}: {event['event_type']} did not come; so far: {arrived}"
        _compare(what, arrived[len(expected) - 1], expected[-1])

    def _common(self, digest: str) -> Json:
        common = {"project": "prj", "project_type": "Private"}
        if self.stack.user:
            common["username"] = self.stack.user.user
        if digest:
            common |= {"digest": digest, "image_id": digest.removeprefix("sha256:")}
        return common

    def _wait(self, repository: str, count: int) -> list[Json]:
        deadline = time.monotonic() + ARRIVES_WITHIN_S
        while len(arrived := self.stack.events_of(repository)) < count and time.monotonic() < deadline:
            time.sleep(0.02)
        return arrived

    def finish(self) -> None:
        """The stack looks at its end whether anything else came."""
        for repository in {self.through.repository, *self._expected}:
            expected = [event["event_type"] for event in self._expected.get(repository, [])]
            self.stack.finished[repository] = expected


def _compare(what: str, arrived: Json, expected: Json) -> None:
    seen = {key: arrived.get(key, "(not there)") for key in expected}
    assert seen == expected, f"{what}: {arrived}"


def pushed(tag: str, **more: Any) -> Json:
    return {"event_type": "pushImage", "tag": tag, **more}


def refused(details: object, *, tag: str = "", digest: object = "", **more: Any) -> Json:
    """For lack of storage; tag and digest are known where it was the manifest that was refused."""
    known = {"tag": tag, "tags": [tag] if tag else [], "digest": digest}
    return {"event_type": "projectQuota", **known, "details": details, **more}


def pulled(tag: str | None = None, **more: Any) -> Json:
    """Without a tag: by digest, where any tag or none may stand."""
    return {"event_type": "pullImage", **({"tag": tag} if tag else {}), **more}


def deleted(tag: str | None = None, **more: Any) -> Json:
    return {"event_type": "deleteImage", **({"tag": tag} if tag else {}), **more}
