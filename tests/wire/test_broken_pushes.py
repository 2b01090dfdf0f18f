"""A push whose connection breaks raises an event only if it is there because of it: the real program, real registries."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.support.images import build_image, upload
from tests.support.process import require_program, wait_until
from tests.support.raw_upstream import RawConnection, RawUpstream, connect
from tests.support.receiver import Receiver
from tests.support.servers import Registry, Sidecar, policy

OLD, NEW = build_image("old"), build_image("new")


class Cutting:
    """Stands between sidecar and registry, and resets connections of PUT when it is told to."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.cuts = ""  #: "before" or "after" the registry has it

    async def script(self, connection: RawConnection) -> None:
        head = await connection.read_head()
        if not head.startswith(b"PUT"):
            await self.relayed(connection, head)
        elif self.cuts == "before":
            await connection.read_some(100_000)
            connection.reset()
        else:
            await self.relayed(connection, head, tell=False)
            connection.reset()

    async def relayed(self, connection: RawConnection, head: bytes, *, tell: bool = True) -> None:
        length = next(
            (
                int(line.split(b":")[1])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length")
            ),
            0,
        )
        body = await connection.read(length)
        upstream = await connect(self.registry.port)
        head = head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        await upstream.send(head + body)
        answer = await upstream.read_until_closed()
        upstream.close()
        if tell:
            await connection.send(answer)


@pytest.fixture
async def cutting(tmp_path: Path) -> AsyncIterator[tuple[Cutting, Sidecar, Receiver]]:
    require_program("registry")
    with Registry(tmp_path / "registry") as registry, Receiver() as receiver:
        cutting = Cutting(registry)
        for image in (OLD, NEW):
            await asyncio.to_thread(
                upload, image, registry_url=registry.url, repository="prj/app", tag="other"
            )
        async with RawUpstream(cutting.script) as upstream:
            sidecar = Sidecar(
                tmp_path,
                registry=upstream.url,
                projects=[{"name": "prj", "webhook_policies": [policy(receiver.url)]}],
            )
            await asyncio.to_thread(sidecar.start)
            yield cutting, sidecar, receiver
            await asyncio.to_thread(sidecar.stop)


async def push(sidecar: Sidecar, content: bytes, tag: str = "v1") -> int:
    async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
        headers = {"Content-Type": NEW.media_type}
        url = f"{sidecar.url}/v2/prj/app/manifests/{tag}"
        return (await client.put(url, content=content, headers=headers)).status_code


async def settled(sidecar: Sidecar) -> str:
    """What became of the intent."""
    await asyncio.to_thread(
        wait_until, lambda: bool(sidecar.logged("intent.reconciled")), 40, what="the intent to be settled"
    )
    await asyncio.sleep(0.5)
    return str(sidecar.logged("intent.reconciled")[0]["verdict"])


@pytest.mark.parametrize("content", [NEW.manifest, b"x" * 4_500_000], ids=["small", "larger than is kept"])
async def test_push_that_never_came_whole_raises_nothing(
    cutting: tuple[Cutting, Sidecar, Receiver], content: bytes
) -> None:
    between, sidecar, receiver = cutting
    url = between.registry.url
    await asyncio.to_thread(upload, OLD, registry_url=url, repository="prj/app", tag="v1")
    between.cuts = "before"
    assert await push(sidecar, content) == 502
    assert await settled(sidecar) == "refused"
    assert receiver.requests == []


async def test_push_that_the_registry_took_before_the_connection_broke_is_one(
    cutting: tuple[Cutting, Sidecar, Receiver],
) -> None:
    between, sidecar, receiver = cutting
    large = NEW.manifest[:1] + b'"x": "' + b"y" * 200_000 + b'", ' + NEW.manifest[1:]
    between.cuts = "after"
    assert await push(sidecar, large) == 502
    assert await settled(sidecar) == "accepted"
    (request,) = receiver.requests
    (event,) = request.json()["events"]
    assert (event["tag"], len(event["image_id"])) == ("v1", 64)
