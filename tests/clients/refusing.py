"""Registries without room, until a test makes some, with a sidecar and a receiver.

Harbor and Quay are test doubles before a real registry: they replay what the real ones answer.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from yarl import URL

from tests.clients.stack import ALICE, EVENTS, Stack, write_auth_file
from tests.support.nginx import Nginx
from tests.support.process import require_program
from tests.support.receiver import Double, Receiver
from tests.support.servers import Registry, Sidecar, Version, policy
from tests.support.small_file_system import MIB, SmallFileSystem
from tests.support.token_server import TokenServer

_HOP = frozenset({"connection", "transfer-encoding", "keep-alive"})


class Step(StrEnum):
    """Of a push, what needs room."""

    START = "POST uploads"
    END = "PUT blob"
    MANIFEST = "PUT manifest"


_STEPS = {
    Step.START: re.compile(r"POST /v2/.+/blobs/uploads/"),
    Step.END: re.compile(r"PUT /v2/.+/blobs/uploads/"),
    Step.MANIFEST: re.compile(r"PUT /v2/.+/manifests/"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    status: int
    headers: Mapping[str, str]
    body: bytes


class Overfull(Double):
    """Relays to a registry, and refuses the step that `refuses` names as another server would."""

    def __init__(self, registry: Registry, refusals: Mapping[Step, Refusal]) -> None:
        self.refuses: Step | None = None
        self._registry = registry
        self._refusals = refusals

    @property
    def port(self) -> int:
        return self._server.port

    async def _answer(self, request: web.Request) -> web.Response:
        step, body = self.refuses, await request.read()
        if step is None or not _STEPS[step].match(f"{request.method} {request.path}"):
            return await self._relay(request.method, request.raw_path, request, body)
        # Whether the client may push at all is asked before whether there is room.
        uploads = re.sub(r"/(?:blobs|manifests)/.*", "/blobs/uploads/", request.path)
        allowed = await self._relay("POST", uploads, request, b"")
        if allowed.status != 202:
            return allowed
        refusal = self._refusals[step]
        return web.Response(status=refusal.status, headers=refusal.headers, body=refusal.body)

    async def _relay(self, method: str, path: str, request: web.Request, body: bytes) -> web.Response:
        headers = [(name, value) for name, value in request.headers.items() if name.lower() not in _HOP]
        headers = [
            (name, value) for name, value in headers if name.lower() not in {"content-length", "expect"}
        ]
        url = URL(self._registry.url + path, encoded=True)
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.request(method, url, headers=headers, data=body, allow_redirects=False) as answer,
        ):
            kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in _HOP]
            return web.Response(status=answer.status, headers=dict(kept), body=await answer.read())

    def application(self) -> web.Application:
        application = web.Application(client_max_size=64 * MIB)
        application.router.add_route("*", "/{path:.*}", self._answer)
        return application


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """What stands behind the sidecar; clients that go there directly ask this port."""

    registry: Registry
    port: int
    #: Called once every client has come so far, in turn.
    turns: tuple[Callable[[], None], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusingStack(Stack):
    upstream: Upstream = field(repr=False)

    @property
    def direct(self) -> str:
        return self._host(self.upstream.port)


Given = Mapping[str, Any]


@contextmanager
def on_a_small_disk(folder: Path, given: Given, *, version: Version, leaving: int = 0) -> Iterator[Upstream]:
    """Full but for so many bytes, with room, full again, with room again."""
    with (
        SmallFileSystem(folder / "small", size=128 * MIB) as small,
        Registry(folder / "registry", version=version, root=small.root, **given) as registry,
    ):
        small.fill(leaving=leaving)
        turns = (small.make_room, small.fill, small.make_room)
        yield Upstream(registry=registry, port=registry.port, turns=turns)


@contextmanager
def behind_nginx(folder: Path, given: Given) -> Iterator[Upstream]:
    """With a client_max_body_size that no layer fits through, then without."""
    with (
        Registry(folder / "registry", **given) as registry,
        Nginx(folder / "nginx", upstream=registry.url, max_body="64k") as nginx,
    ):

        def make_room() -> None:
            nginx.stop()
            text = nginx.configuration.read_text()
            nginx.configuration.write_text(text.replace("client_max_body_size 64k", "client_max_body_size 0"))
            nginx.start()

        yield Upstream(registry=registry, port=nginx.port, turns=(make_room,))


@contextmanager
def replaying(folder: Path, given: Given, *, refusals: Mapping[Step, Refusal]) -> Iterator[Upstream]:
    """Refuses one step after the other, then none."""
    with (
        Registry(folder / "registry", **given) as registry,
        Overfull(registry, refusals) as overfull,
    ):
        steps = [*refusals, None]
        overfull.refuses = steps[0]

        def turn_to(step: Step | None) -> Callable[[], None]:
            return lambda: setattr(overfull, "refuses", step)

        yield Upstream(registry=registry, port=overfull.port, turns=tuple(map(turn_to, steps[1:])))


@contextmanager
def refusing_stack(
    kind: str, folder: Path, upstream_in: Callable[[Path, Given], Any]
) -> Iterator[RefusingStack]:
    """The kind's last word says who may push: anyone (open), or alice (htpasswd, token)."""
    require_program("docker-registry" if kind.startswith("2.8") else "registry")
    user = None if kind.endswith("open") else ALICE
    with ExitStack() as servers:
        given: dict[str, Any] = {}
        if kind.endswith("token"):
            users = {ALICE.user: ALICE.password}
            given["tokens"] = servers.enter_context(TokenServer(folder / "tokens", users))
        elif user:
            given["users"] = [user]
        upstream: Upstream = servers.enter_context(upstream_in(folder, given))
        receiver = servers.enter_context(Receiver())
        hook = policy(f"{receiver.url}/hook")
        sidecar = servers.enter_context(
            Sidecar(
                folder / "sidecar",
                registry=f"http://127.0.0.1:{upstream.port}",
                projects=[{"name": "prj", "public": False, "webhook_policies": [hook]}],
                settings={"events": EVENTS},
            )
        )
        yield RefusingStack(
            kind=kind,
            registry=upstream.registry,
            sidecar=sidecar,
            receiver=receiver,
            user=user,
            auth_file=write_auth_file(folder / "docker", user, upstream.port, sidecar.proxy_port),
            upstream=upstream,
        )
