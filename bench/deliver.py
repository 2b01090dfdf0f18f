"""Deliveries per second to a receiver that costs nothing: claimed and recorded in the store."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import aiohttp

from bench.backlog import fill, waiting
from bench.figures import Figure
from bench.load import Elsewhere, elsewhere
from bench.receiver import FastReceiver
from bench.scale import Scale
from bench.stack import DATABASE, a_folder, a_registry, a_sidecar
from bench.watch import watched
from tests.support.servers import Registry

TITLE: Final = "deliver: a backlog sent by one process, claimed before and recorded after, both committed"

_CONCURRENCY: Final = 8  #: of each target, as harbor.yml has it by default
_LIMIT_S: Final = 120.0


def measure(scale: Scale) -> Iterator[Figure]:
    with a_folder() as folder, elsewhere() as other, a_registry(folder / "registry") as registry:
        for targets in (1, 10):
            with FastReceiver(folder / f"receiver-{targets}") as receiver:
                peer = other.run(post_all, receiver.url, scale.deliveries, targets * _CONCURRENCY)
            yield from _drain(
                folder / f"sidecar-{targets}", other, registry, targets=targets, scale=scale, peer=peer
            )


def _drain(
    folder: Path, other: Elsewhere, registry: Registry, *, targets: int, scale: Scale, peer: float
) -> Iterator[Figure]:
    other.run(fill, folder / DATABASE, deliveries=scale.deliveries, policies=targets)
    with FastReceiver(folder / "receiver") as receiver:
        addresses = [f"{receiver.url}/count/{n}" for n in range(targets)]
        with (
            a_sidecar(folder, registry=registry.url, addresses=addresses) as sidecar,
            watched(sidecar.pid) as use,
        ):
            _await_end(folder / DATABASE)
            ended_at, figures = time.monotonic(), receiver.figures()
    if figures["count"] < scale.deliveries:
        raise RuntimeError(f"{figures['count']} of {scale.deliveries} arrived")
    yield Figure(
        what=f"{targets} target{'s' if targets > 1 else ''}, {scale.deliveries} waiting",
        value=figures["count"] / (ended_at - figures["first_at"]),
        unit="deliveries/s",
        peer=peer,
        which=f"bare aiohttp, {targets * _CONCURRENCY} in flight, no store; aim 3,000",
    )
    yield Figure(what="  processor time of each", value=use.cpu_s / scale.deliveries * 1000, unit="ms")
    yield Figure(what="  memory at most", value=use.peak_mib, unit="MiB")


def _await_end(path: Path) -> None:
    deadline = time.monotonic() + _LIMIT_S
    while waiting(path):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{waiting(path)} deliveries are still waiting")
        time.sleep(0.1)


# In a process of its own


def post_all(url: str, number: int, in_flight: int) -> float:
    """The same posts with nothing but an HTTP client; per second."""
    return asyncio.run(_post_all(url, number, in_flight))


async def _post_all(url: str, number: int, in_flight: int) -> float:
    numbers = iter(range(number))
    body = bytes(500)
    begun_at = time.monotonic()

    async def poster(session: aiohttp.ClientSession) -> None:
        for n in numbers:
            async with session.post(f"{url}/count/{n % 10}", data=body) as response:
                await response.read()

    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as posters:
        for _ in range(in_flight):
            posters.create_task(poster(session))
    return number / (time.monotonic() - begun_at)
