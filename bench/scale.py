"""How much is measured: everything takes minutes, `--quick` takes seconds and is less precise."""

from dataclasses import dataclass
from typing import Final

MIB: Final = 1 << 20
GIB: Final = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    seconds: float = 5.0  #: of each load that goes on for a time
    deliveries: int = 30_000
    idle_pushes: int = 300
    backlog: int = 1_000_000
    layer_bytes: int = 4 * GIB
    targets: int = 1000
    target_pushes: int = 20


FULL: Final = Scale()
QUICK: Final = Scale(
    seconds=1.0,
    deliveries=3000,
    idle_pushes=50,
    backlog=50_000,
    layer_bytes=256 * MIB,
    targets=100,
    target_pushes=10,
)
