"""Logging in for the program's own questions, against the real token server and registries."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sidecar.model.secrets import Secret
from sidecar.upstreams.client import UpstreamClient
from sidecar.upstreams.registry_auth import RegistryAuth
from tests.support.process import is_installed, require_program
from tests.support.servers import Credentials, Registry
from tests.support.token_server import TokenServer

ALICE = Credentials("alice", "pass:word$")


@pytest.fixture(params=["open", "basic", "token"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Registry]:
    if not is_installed("registry"):
        require_program("registry")
    if request.param == "token":
        with (
            TokenServer(tmp_path, users={ALICE.user: ALICE.password}) as tokens,
            Registry(tmp_path / "r", tokens=tokens) as it,
        ):
            yield it
        return
    users = [ALICE] if request.param == "basic" else []
    with Registry(tmp_path / "r", users=users) as it:
        yield it


async def status(registry: Registry, user: str, password: str) -> int:
    upstream = UpstreamClient(url=registry.url, username=user, password=Secret(password))
    async with upstream.session() as http:
        auth = RegistryAuth(upstream.username, upstream.password)
        response: httpx.Response = await http.head(f"{upstream.url}/v2/prj/app/manifests/v1", auth=auth)
    return response.status_code


async def test_the_right_password_may_ask(registry: Registry) -> None:
    assert await status(registry, ALICE.user, ALICE.password) == 404


async def test_a_wrong_password_is_not_tried_for_ever(registry: Registry) -> None:
    async with asyncio.timeout(5):
        answered = await status(registry, ALICE.user, "wrong")
    assert answered == (404 if "auth" not in registry.configuration.read_text() else 401)


async def test_without_a_name_the_answer_is_the_registrys(registry: Registry) -> None:
    assert await status(registry, "", "") in {404, 401}
