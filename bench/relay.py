"""A large layer up and down through the proxy, compared with the registry itself."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from bench.figures import Figure
from bench.layers import GIB, MIB, Layer, Moved, pull_layer, push_layer
from bench.load import elsewhere
from bench.receiver import FastReceiver
from bench.scale import Scale
from bench.stack import REPOSITORY, a_folder, a_registry, a_sidecar
from bench.watch import Usage, watched
from tests.support.process import answers

TITLE: Final = (
    "relay: a layer up and down; the peer of processor time is the registry's own for the same bytes"
)

Move = Callable[[int], Moved]


def measure(scale: Scale) -> Iterator[Figure]:
    with a_folder() as folder:
        yield from _measure(folder, scale.layer_bytes)


def _measure(folder: Path, size: int) -> Iterator[Figure]:
    with (
        elsewhere() as other,
        FastReceiver(folder / "receiver") as receiver,
        a_registry(folder / "registry") as registry,
        a_sidecar(
            folder / "sidecar", registry=registry.url, addresses=[f"{receiver.url}/count/events"]
        ) as sidecar,
    ):
        answers(f"{sidecar.url}/v2/", 200)
        pushed: list[str] = []

        def push(port: int) -> Moved:
            moved = other.run(push_layer, port, REPOSITORY, Layer(size=size, seed=len(pushed)))
            pushed.append(moved.digest)
            return moved

        def pull(port: int) -> Moved:
            return other.run(pull_layer, port, REPOSITORY, pushed[0])

        for name, move in (("up", push), ("down", pull)):
            direct = move(registry.port)
            with watched(sidecar.pid) as own, watched(registry.pid) as its:
                through = move(sidecar.proxy_port)
            yield from _compared(f"{size / GIB:g} GiB {name}", through, direct, own=own, its=its, size=size)


def _compared(
    what: str, through: Moved, direct: Moved, *, own: Usage, its: Usage, size: int
) -> Iterator[Figure]:
    yield Figure(
        what=what,
        value=size / MIB / through.seconds,
        unit="MiB/s",
        peer=size / MIB / direct.seconds,
        which="the registry itself",
    )
    yield Figure(
        what="  processor time",
        value=own.cpu_s * GIB / size,
        unit="s/GiB",
        peer=its.cpu_s * GIB / size,
        which="the registry behind it",
    )
    yield Figure(what="  memory above idle", value=own.grown_mib, unit="MiB", which="aim 40 MiB")
