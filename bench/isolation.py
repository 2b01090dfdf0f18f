"""Do bad targets slow the good ones? The same pushes without the bad ones, and with them.

Of the targets 10 % hang, 10 % refuse, 10 % answer 500 and 10 % drip a byte a second; the rest are good.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.accept import a_push
from bench.figures import Figure, percentile
from bench.load import Elsewhere, Outcome, Plan, elsewhere, run_plan
from bench.receiver import FastReceiver
from bench.scale import Scale
from bench.stack import REPOSITORY, a_folder, a_registry, a_sidecar, an_image_in
from bench.watch import Usage, watched
from tests.support.images import Artifact
from tests.support.process import free_port
from tests.support.servers import Registry

TITLE: Final = "isolation: the good 60 % of the targets, with and without the bad 40 % beside them"

_TIMEOUT_S: Final = 2.0
_KINDS: Final = 10  #: of ten targets, four are bad
_PULLERS: Final = 2
_WARM: Final = 3  #: pushes before the measurement
_LIMIT_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The result of one run with its targets."""

    delays_s: list[float] = field(repr=False)  #: answer of the client to arrival, every good delivery
    pushes: Outcome = field(repr=False)
    pulls: Outcome = field(repr=False)
    usage: Usage
    missing: int  #: good deliveries that did not come


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What both runs have in common."""

    folder: Path
    registry: Registry
    image: Artifact
    targets: int
    pushes: int
    pause_s: float


def measure(scale: Scale) -> Iterator[Figure]:
    without, with_bad = compare(
        targets=scale.targets, pushes=scale.target_pushes, pause_s=scale.targets / 1000
    )
    if with_bad.missing or without.missing:
        raise RuntimeError(f"{with_bad.missing} and {without.missing} good deliveries did not come")
    yield from figures(without, with_bad)


def compare(*, targets: int, pushes: int, pause_s: float) -> tuple[Run, Run]:
    """Two runs of the same pushes: only the good targets, and all."""
    with a_folder() as folder, a_registry(folder / "registry") as registry:
        setting = Setting(
            folder=folder,
            registry=registry,
            image=an_image_in(registry),
            targets=targets,
            pushes=pushes,
            pause_s=pause_s,
        )
        return _run(setting, with_bad=False), _run(setting, with_bad=True)


def figures(without: Run, with_bad: Run) -> Iterator[Figure]:
    which = "without the bad ones"
    for what, own, peer in (
        ("event at a good target", with_bad.delays_s, without.delays_s),
        ("push through the proxy", with_bad.pushes.durations_s, without.pushes.durations_s),
        ("pull of a manifest", with_bad.pulls.durations_s, without.pulls.durations_s),
    ):
        for name, fraction in (("median", 0.5), ("p99", 0.99)):
            yield Figure(
                what=f"{what}, {name}",
                value=percentile(own, fraction) * 1000,
                unit="ms",
                peer=percentile(peer, fraction) * 1000,
                which=which,
            )
    usage, peer_usage = with_bad.usage, without.usage
    yield Figure(
        what="memory above idle", value=usage.grown_mib, unit="MiB", peer=peer_usage.grown_mib, which=which
    )
    yield Figure(what="processor time", value=usage.cpu_s, unit="s", peer=peer_usage.cpu_s, which=which)


def is_good(number: int) -> bool:
    return number % _KINDS >= 4


def _address(receiver: FastReceiver, refusing_port: int, number: int) -> str:
    match number % _KINDS:
        case 0:
            return f"{receiver.url}/hang/{number}"
        case 1:
            return f"http://127.0.0.1:{refusing_port}/{number}"
        case 2:
            return f"{receiver.url}/fail/{number}"
        case 3:
            return f"{receiver.url}/drip/{number}"
        case _:
            return f"{receiver.url}/keep/{number}"


def _run(setting: Setting, *, with_bad: bool) -> Run:
    name = "all" if with_bad else "good"
    refusing_port = free_port()
    with FastReceiver(setting.folder / f"receiver-{name}") as receiver, elsewhere(2) as other:
        addresses = [
            _address(receiver, refusing_port, n) for n in range(setting.targets) if with_bad or is_good(n)
        ]
        sidecar = a_sidecar(
            setting.folder / f"sidecar-{name}",
            registry=setting.registry.url,
            addresses=addresses,
            notification={"enabled": True, "webhook_job_http_client_timeout": _TIMEOUT_S},
        )
        good = sum(map(is_good, range(setting.targets)))
        with sidecar, watched(sidecar.pid) as usage:
            other.run(run_plan, a_push(sidecar.proxy_port, setting.image, prefix="warm", count=_WARM))
            receiver.wait_for(good * _WARM, _LIMIT_S)
            pushes, pulls = _use(other, sidecar.proxy_port, setting)
            receiver.wait_for(good * (setting.pushes + _WARM), _LIMIT_S)
            received = receiver.received()
    delays_s = [at - pushes.answered_at[int(tag[1:])] for _, tag, at in received if tag.startswith("t")]
    return Run(
        delays_s=delays_s,
        pushes=pushes,
        pulls=pulls,
        usage=usage,
        missing=good * setting.pushes - len(delays_s),
    )


def _use(other: Elsewhere, port: int, setting: Setting) -> tuple[Outcome, Outcome]:
    """Push as often as set, and pull by digest meanwhile: two clients, one event for each push."""
    manifest = f"/v2/{REPOSITORY}/manifests/base"
    pulling = Plan(
        port=port,
        method="HEAD",
        path=manifest,
        connections=_PULLERS,
        seconds=setting.pushes * setting.pause_s,
        pause_s=0.01,
    )
    pulls = other.start(run_plan, pulling)
    pushes = other.run(run_plan, a_push(port, setting.image, count=setting.pushes, pause_s=setting.pause_s))
    pushes.check(201)
    outcome = pulls.result()
    outcome.check(200)
    return pushes, outcome
