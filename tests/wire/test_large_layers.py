"""A large layer through a real sidecar to a real registry: memory, speed, and who else is served meanwhile.

`python -m bench relay` does the same with 4 GiB.
"""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.layers import MIB, Layer, Moved, pull_layer, push_layer
from bench.load import Elsewhere, elsewhere
from bench.stack import REPOSITORY, a_registry, a_sidecar
from bench.watch import watched
from tests.support.images import build_image, upload
from tests.support.process import require_program
from tests.support.receiver import Receiver
from tests.support.servers import Registry, Sidecar

_SIZE = 512 * MIB
_MEMORY_MIB = 40
#: Measured on a quiet machine: as fast upwards, half as fast downwards. Less than that says: a machine that
#: is busy with other things may be as slow, but a relay that buffers or copies is slower still.
_FRACTION_OF_DIRECT = 0.2
_SMALL_PUSHES = 20
_SMALL_PUSHES_WITHIN_S = 10.0

pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True, slots=True)
class Stack:
    registry: Registry
    sidecar: Sidecar
    other: Elsewhere  #: runs the client of the large layer
    receiver: Receiver


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    require_program("registry", "docker-registry")
    folder = tmp_path_factory.mktemp("large")
    with (
        Receiver() as receiver,
        a_registry(folder / "registry") as registry,
        a_sidecar(folder / "sidecar", registry=registry.url, addresses=[receiver.url]) as sidecar,
        elsewhere() as other,
    ):
        upload(build_image("warm"), registry_url=sidecar.url, repository=REPOSITORY, tag="warm")
        yield Stack(registry, sidecar, other, receiver)
    remove_layers(folder)


@pytest.fixture(scope="module")
def layer() -> Layer:
    return Layer(size=_SIZE, seed=1)


def remove_layers(folder: Path) -> None:
    """pytest keeps the folders of its last runs, and these are large."""
    for blob in folder.rglob("data"):
        if blob.is_file():
            blob.unlink()


def small_push(stack: Stack, number: int) -> float:
    begun_at = time.monotonic()
    upload(
        build_image(f"small-{number}"),
        registry_url=stack.sidecar.url,
        repository="prj/small",
        tag=f"t{number}",
    )
    return time.monotonic() - begun_at


def small_pushes_during(stack: Stack, large: "Future[Moved]") -> list[float]:
    """Seconds that each of twenty small pushes takes which begin while the large layer is on its way."""
    time.sleep(0.1)
    with ThreadPoolExecutor(_SMALL_PUSHES) as clients:
        assert not large.done()
        return list(clients.map(lambda number: small_push(stack, number), range(_SMALL_PUSHES)))


def test_a_large_layer_goes_up_and_down_within_its_memory(stack: Stack, layer: Layer) -> None:
    with watched(stack.sidecar.pid) as usage:
        pushed = stack.other.run(push_layer, stack.sidecar.proxy_port, REPOSITORY, layer)
        stack.other.run(pull_layer, stack.sidecar.proxy_port, REPOSITORY, pushed.digest, verify=True)
    print(
        f"idle {usage.idle_mib:.0f} MiB, {usage.grown_mib:.1f} MiB more at most, {usage.cpu_s:.1f} s of CPU"
    )
    assert usage.grown_mib < _MEMORY_MIB


def test_a_large_layer_is_about_as_fast_as_directly(stack: Stack) -> None:
    seconds: dict[str, float] = {}
    for seed, (name, port) in enumerate(
        (("direct", stack.registry.port), ("through", stack.sidecar.proxy_port))
    ):
        pushed = stack.other.run(push_layer, port, REPOSITORY, Layer(size=_SIZE, seed=10 + seed))
        pulled = stack.other.run(pull_layer, port, REPOSITORY, pushed.digest)
        seconds |= {f"{name} up": pushed.seconds, f"{name} down": pulled.seconds}
    print({name: f"{_SIZE / MIB / took:.0f} MiB/s" for name, took in seconds.items()})
    for way in ("up", "down"):
        assert seconds[f"direct {way}"] / seconds[f"through {way}"] > _FRACTION_OF_DIRECT, (way, seconds)


def test_small_pushes_are_served_while_a_large_layer_goes_by(stack: Stack) -> None:
    large = stack.other.start(
        push_layer, stack.sidecar.proxy_port, REPOSITORY, Layer(size=2 * _SIZE, seed=20)
    )
    took_s = small_pushes_during(stack, large)
    print(
        f"small pushes took {min(took_s):.2f} to {max(took_s):.2f} s, the layer {large.result().seconds:.2f} s"
    )
    assert max(took_s) < _SMALL_PUSHES_WITHIN_S
