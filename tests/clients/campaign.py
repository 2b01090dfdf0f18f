"""All clients push to one registry without room at the same time, each through the sidecar and directly.

What a client does is a generator. Where it yields it waits for the others; then the registry's next turn comes
(there is room, or none again), and all go on.
"""

import re
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.clients.engines import Containerd, Dockerd
from tests.clients.journey import Action, Done, Journey, Place, pushed, refused
from tests.clients.pushing import CLIENTS, Desk, Push
from tests.clients.refusing import Given, RefusingStack, refusing_stack

#: docker tries for 50 s, on a machine that is busy.
LONGEST_S = 170

_CHANCE = (
    (re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "UUID"),
    (re.compile(r"_state=[^&\s\"]+"), "STATE"),
    (re.compile(r'time="[^"]+"|\d{4}/\d\d/\d\d \d\d:\d\d:\d\d'), "TIME"),
    # Which blob is refused first.
    (re.compile(r"(?:(?:layer|config)-)?sha256(?::|%3A)[0-9a-f]{64}"), "DIGEST"),
)
#: What clients show of each blob, in the order in which they come to it, and as far as they come.
_PROGRESS = re.compile(
    r"[0-9a-f]{12}: "  # docker
    r"|Copying (blob|config) "  # podman, skopeo
    r"|TIME (existing|pushed|retrying) "  # crane
    r"|(Uploading|Uploaded |Exists   ) "  # oras
    r"|(?!ctr: )\S+: .*\||elapsed: "  # ctr
)


@dataclass(frozen=True, slots=True)
class Like:
    """Equal to what the pattern matches."""

    pattern: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and re.fullmatch(self.pattern, other) is not None

    def __hash__(self) -> int:
        return hash(self.pattern)


A_DIGEST = Like(r"sha256:[0-9a-f]{64}")


def without_chance(output: str, *names: str) -> list[str]:
    """What a client says, but for names of the place, ids, times and progress; of each blob once."""
    for name in names:
        output = output.replace(name, "NAME")
    for pattern, word in _CHANCE:
        output = pattern.sub(word, output)
    lines = re.split(r"[\r\n]+", output)
    return list(dict.fromkeys(line for line in lines if not _PROGRESS.match(line)))


class SideBySide(Journey):
    """Each step through the sidecar and directly at the same time; what a client says must be the same.

    But where that depends on which of all requests came first.
    """

    said_by_chance = False

    def both(self, action: Action) -> tuple[Done, Done]:
        with ThreadPoolExecutor(2) as threads:
            through, direct = threads.map(action, (self.through, self.direct))
        if self.said_by_chance:
            return through, direct
        ours = without_chance(through.output, self.through.repository, self.through.host)
        theirs = without_chance(direct.output, self.direct.repository, self.direct.host)
        assert ours == theirs, f"{through.output}\ndirectly: {direct.output}"
        return through, direct


class Client:
    """One of the clients, pushing one thing."""

    def __init__(self, name: str, journey: SideBySide, pushes: dict[Place, Push]) -> None:
        self.name = name
        self.journey = journey
        self._pushes = pushes
        self._more = {"beside": "/web"} if name == "helm" else {}
        self._threads = ThreadPoolExecutor(1)

    def _tag(self, tag: str) -> str:
        return "1.0.0" if self.name == "helm" else tag

    def is_refused(self, tag: str, details: object, *, times: int = 2) -> None:
        """Before the manifest."""
        for number in range(1, times + 1):
            self._step(f"push {number} of {tag}", tag, refused(details, **self._more), fails=True)

    def is_refused_its_manifest(self, tag: str, details: object) -> None:
        """helm pushes by digest first, and comes no further."""
        known = refused(details, tag="" if self.name == "helm" else tag, digest=A_DIGEST, **self._more)
        for number in (1, 2):
            self._step(f"push {number} of the manifest of {tag}", tag, dict(known), fails=True)

    def succeeds(self, tag: str) -> None:
        self._step(f"push of {tag} with room", tag, pushed(self._tag(tag), **self._more))

    def begins(self, tag: str, details: object) -> Future[Done]:
        """A push that is refused and tries again for so long that there may be room before it gives up."""
        begun = self._threads.submit(
            self.journey.step, f"push of {tag} that goes on", partial(self._push, tag)
        )
        self.journey.expect(f"push of {tag} that goes on", refused(details, **self._more))
        return begun

    def succeeds_after_all(self, begun: Future[Done], tag: str) -> None:
        done = begun.result(LONGEST_S)
        self.journey.expect(f"push of {tag} that went on", pushed(tag, **self._more), digest=done.digest)

    def finish(self) -> None:
        """All manifests that it pushed, or tried to, are one."""
        repository = self.journey.through.repository + self._more.get("beside", "")
        digests = {event["digest"] for event in self.journey.stack.events_of(repository)} - {""}
        assert len(digests) <= 1, digests
        self.journey.finish()

    def _push(self, tag: str, at: Place) -> Done:
        return self._pushes[at](at, tag)

    def _step(self, what: str, tag: str, *events: dict[str, Any], fails: bool = False) -> None:
        self.journey.step(f"{self.name}: {what}", partial(self._push, tag), *events, fails=fails)


Scenes = Callable[[Client], Iterator[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Who refuses, and what becomes of each client's pushes, turn by turn."""

    kind: str
    upstream_in: Callable[[Path, Given], Any]
    scenes: Scenes
    said_by_chance: bool = False  #: at which step a push is refused, and so what its client says
    answers_early: bool = False  #: before it has read a blob


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """Called where they are needed: a test that needs none does without."""

    dockerd: Callable[[], Dockerd]
    containerd: Callable[[], Containerd]


class Campaign:
    """`run` in a thread; `outcome` waits for one client, and raises what failed or skips it."""

    def __init__(self, server: Server, folder: Path, engines: Engines) -> None:
        self._server = server
        self._folder = folder
        self._engines = engines
        self._ended: dict[str, Future[None]] = {name: Future() for name in CLIENTS}
        self._quiet: Future[None] = Future()

    def outcome(self, client: str) -> None:
        self._ended[client].result(LONGEST_S)

    def check_nothing_else_came(self) -> None:
        self._quiet.result(LONGEST_S)

    def run(self) -> None:
        try:
            with refusing_stack(self._server.kind, self._folder, self._server.upstream_in) as stack:
                self._push_all(stack)
                _settle(self._quiet, stack.check_nothing_else_came)
        except BaseException as error:  # noqa: BLE001  # each test raises it
            for future in (*self._ended.values(), self._quiet):
                if not future.done():
                    future.set_exception(error)

    def _push_all(self, stack: RefusingStack) -> None:
        turns = [threading.Barrier(len(CLIENTS), action=turn) for turn in stack.upstream.turns]
        with ExitStack() as closing, ThreadPoolExecutor(len(CLIENTS)) as threads:
            for name, ended in self._ended.items():
                threads.submit(_settle, ended, partial(_in_turn, self._scenes(name, stack, closing), turns))

    def _scenes(self, name: str, stack: RefusingStack, closing: ExitStack) -> Iterator[None]:
        journey = SideBySide(stack, name)
        journey.said_by_chance = self._server.said_by_chance
        pushes = {
            place: self._prepared(name, place, stack, closing) for place in (journey.through, journey.direct)
        }
        client = Client(name, journey, pushes)
        yield from self._server.scenes(client)
        client.finish()

    def _prepared(self, name: str, place: Place, stack: RefusingStack, closing: ExitStack) -> Push:
        folder = self._folder / place.repository.replace("/", "-")
        folder.mkdir()
        desk = Desk(
            stack=stack,
            folder=folder,
            seed=f"{name}-{self._server.kind}",
            dockerd=self._engines.dockerd,
            containerd=self._engines.containerd,
            closing=closing,
            # containerd 1.6 hangs when it is answered before it has sent a blob.
            patience_s=15 if self._server.answers_early else None,
        )
        return CLIENTS[name](desk)


def _in_turn(scenes: Iterator[None], turns: Sequence[threading.Barrier]) -> None:
    left = deque(turns)
    try:
        for _ in scenes:
            left.popleft().wait(LONGEST_S)
    finally:
        for turn in left:  # the others go on without this one
            turn.wait(LONGEST_S)


def _settle(future: Future[None], action: Callable[[], None]) -> None:
    try:
        action()
    except BaseException as error:  # noqa: BLE001  # the test that asks raises it
        future.set_exception(error)
    else:
        future.set_result(None)
