"""The cost of a backlog: the time to claim from it, and to start with it."""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench.backlog import fill
from bench.figures import Figure, percentile
from bench.load import Elsewhere, elsewhere
from bench.receiver import FastReceiver
from bench.scale import Scale
from bench.stack import DATABASE, PROJECT, TARGET_ID, a_folder, a_registry, a_sidecar
from bench.watch import rss_mib
from sidecar.model.delivery import TargetKey
from sidecar.store.outbox import Outbox
from sidecar.store.sqlite import SqliteDatabase
from tests.support.servers import Registry

TITLE: Final = "backlog: with many deliveries waiting, beside the same with ten"

_FEW: Final = 10
_ROUNDS: Final = 60


def measure(scale: Scale) -> Iterator[Figure]:
    with a_folder() as folder, elsewhere() as other, a_registry(folder / "registry") as registry:
        few, many = folder / "few", folder / "many"
        other.run(fill, few / DATABASE, deliveries=_FEW)
        other.run(fill, many / DATABASE, deliveries=scale.backlog)
        yield from _claims(other, few / DATABASE, many / DATABASE, scale)
        with FastReceiver(folder / "receiver") as receiver:
            address = f"{receiver.url}/hang/events"
            few_s, few_mib = _start(few, registry, address)
            many_s, many_mib = _start(many, registry, address)
        which = f"{_FEW} waiting"
        what = f"start to /readyz 200, {scale.backlog:,} waiting"
        yield Figure(what=what, value=many_s, unit="s", peer=few_s, which=which)
        yield Figure(what="  memory a while after", value=many_mib, unit="MiB", peer=few_mib, which=which)


def _claims(other: Elsewhere, few: Path, many: Path, scale: Scale) -> Iterator[Figure]:
    few_s, many_s = other.run(time_claims, few), other.run(time_claims, many)
    for name, fraction in (("median", 0.5), ("p99", 0.99)):
        yield Figure(
            what=f"claim of {_FEW}, {scale.backlog:,} waiting, {name}",
            value=percentile(many_s, fraction) * 1000,
            unit="ms",
            peer=percentile(few_s, fraction) * 1000,
            which=f"{_FEW} waiting",
        )


def _start(folder: Path, registry: Registry, address: str) -> tuple[float, float]:
    """Seconds until it is ready, the best of three; MiB after it has looked at its backlog."""
    sidecar = a_sidecar(folder, registry=registry.url, addresses=[address])
    times: list[float] = []
    memories: list[float] = []
    for _ in range(3):
        begun_at = time.monotonic()
        sidecar.start()
        times.append(time.monotonic() - begun_at)
        time.sleep(1)
        memories.append(rss_mib(sidecar.pid))
        sidecar.kill()  # an orderly stop would wait for the hanging attempt
    return min(times), max(memories)


# In a process of its own


def time_claims(path: Path) -> list[float]:
    """Seconds that each claim took; claimed deliveries are released again."""
    return asyncio.run(_time_claims(path))


async def _time_claims(path: Path) -> list[float]:
    database = SqliteDatabase(path)
    database.open()
    outbox, target = (
        Outbox(database, run="bench"),
        TargetKey(policy_id=f"{PROJECT}/receiver-0", target_id=TARGET_ID),
    )
    times: list[float] = []
    for _ in range(_ROUNDS):
        begun_at = time.monotonic()
        claim = await outbox.claim(target, limit=_FEW, now=datetime.now(UTC), skip=())
        claimed = claim.jobs
        times.append(time.monotonic() - begun_at)
        if len(claimed) != _FEW:
            raise RuntimeError(f"{len(claimed)} claimed, not {_FEW}")
        await outbox.release(claimed)
    await asyncio.to_thread(database.close)
    return times
