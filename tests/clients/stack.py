"""A registry with the sidecar in front of it, and a receiver for every event of project prj."""

import base64
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.process import require_program
from tests.support.receiver import Receiver
from tests.support.servers import ChartMuseum, Credentials, Registry, Sidecar, Version, policy
from tests.support.token_server import TokenServer

ALICE = Credentials("alice", "s3cret:with$signs")
KINDS = ("v3-open", "2.8-open", "v3-htpasswd", "v3-token")
#: Shorter than the defaults, so that a test does not wait for minutes; far longer than a client pauses.
PULL_HOLD_S = 1.0
PUSH_HOLD_S = 2.0
#: What is to come of a finished journey has come by then.
QUIET_S = 1.5
EVENTS = {"mode": "grouped", "pull_hold_s": PULL_HOLD_S, "push_hold_s": PUSH_HOLD_S}

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLog:
    """What the receiver got, and at the end: whether that was all that should have come."""

    receiver: Receiver
    finished: dict[str, list[str]] = field(default_factory=dict)  #: event types expected, by repository
    pull_hold_s: float = PULL_HOLD_S

    def events_of(self, repository: str) -> list[Json]:
        """What came about a repository, in order of arrival."""
        return [
            payload for payload in map(_payload, self.receiver.requests) if payload["full_name"] == repository
        ]

    def check_nothing_else_came(self) -> None:
        time.sleep(max(self.pull_hold_s, PUSH_HOLD_S) + QUIET_S)
        for repository, expected in self.finished.items():
            arrived = self.events_of(repository)
            assert [event["event_type"] for event in arrived] == expected, f"{repository}: {arrived}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack(EventLog):
    kind: str
    registry: Registry
    sidecar: Sidecar
    user: Credentials | None
    auth_file: Path  #: of docker's form, with the user for sidecar and registry; in a folder of its own

    @property
    def through(self) -> str:
        """The sidecar's host as clients write it."""
        return self._host(self.sidecar.proxy_port)

    @property
    def direct(self) -> str:
        return self._host(self.registry.port)

    def _host(self, port: int) -> str:
        # oras refuses a token realm on the loopback, unless it has the registry's own host name.
        return f"{'localhost' if self.kind.endswith('token') else '127.0.0.1'}:{port}"

    @property
    def deletes_tags(self) -> bool:
        """Whether the registry deletes by tag; 2.8 answers 400."""
        return not self.kind.startswith("2.8")


def _payload(received: Any) -> Json:
    payload: Json = received.json()
    (event,) = payload["events"]
    return {"event_type": payload["event_type"], **event}


@contextmanager
def running_stack(kind: str, folder: Path, *, pull_hold_s: float = PULL_HOLD_S) -> Iterator[Stack]:
    version: Version = "2.8" if kind.startswith("2.8") else "3"
    require_program("registry" if version == "3" else "docker-registry")
    user = None if kind.endswith("open") else ALICE
    with ExitStack() as servers:
        tokens = None
        if kind.endswith("token"):
            tokens = servers.enter_context(TokenServer(folder / "tokens", {ALICE.user: ALICE.password}))
        users = [ALICE] if kind.endswith("htpasswd") else []
        registry = servers.enter_context(
            Registry(folder / "registry", version=version, users=users, tokens=tokens)
        )
        receiver = servers.enter_context(Receiver())
        sidecar = servers.enter_context(
            Sidecar(
                folder / "sidecar",
                registry=registry.url,
                projects=[
                    {"name": "prj", "public": False, "webhook_policies": [policy(f"{receiver.url}/hook")]}
                ],
                settings={"events": {**EVENTS, "pull_hold_s": pull_hold_s}},
            )
        )
        auth_file = write_auth_file(folder / "docker", user, registry.port, sidecar.proxy_port)
        stack = Stack(
            kind=kind,
            registry=registry,
            sidecar=sidecar,
            receiver=receiver,
            user=user,
            auth_file=auth_file,
            pull_hold_s=pull_hold_s,
        )
        yield stack
        stack.check_nothing_else_came()


def write_auth_file(folder: Path, user: Credentials | None, *ports: int) -> Path:
    folder.mkdir()
    encoded = base64.b64encode(":".join(user.pair).encode()).decode() if user else ""
    path = folder / "config.json"
    hosts = [f"{name}:{port}" for name in ("127.0.0.1", "localhost") for port in ports]
    path.write_text(json.dumps({"auths": {host: {"auth": encoded} for host in hosts if user}}))
    return path


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartStack(EventLog):
    charts: ChartMuseum
    sidecar: Sidecar
    user: Credentials | None


@contextmanager
def running_chart_stack(folder: Path, user: Credentials | None, **limits: Any) -> Iterator[ChartStack]:
    """`limits` are ChartMuseum's, or where it keeps its charts."""
    require_program("chartmuseum")
    with ExitStack() as servers:
        registry = servers.enter_context(Registry(folder / "registry"))
        charts = servers.enter_context(ChartMuseum(folder / "chartmuseum", user=user, **limits))
        receiver = servers.enter_context(Receiver())
        sidecar = servers.enter_context(
            Sidecar(
                folder / "sidecar",
                registry=registry.url,
                chart_repository=charts.url,
                projects=[{"name": "*", "webhook_policies": [policy(f"{receiver.url}/hook")]}],
                settings={"events": EVENTS},
            )
        )
        stack = ChartStack(charts=charts, sidecar=sidecar, receiver=receiver, user=user)
        yield stack
        stack.check_nothing_else_came()
