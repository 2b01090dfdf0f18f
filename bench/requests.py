"""Small requests per second through one process, compared with the registry itself."""

from collections.abc import Iterator
from typing import Final

from bench.figures import Figure, percentile
from bench.load import Elsewhere, Outcome, Plan, elsewhere, run_plan
from bench.receiver import FastReceiver
from bench.scale import Scale
from bench.stack import REPOSITORY, a_folder, a_registry, a_sidecar, an_image_in
from bench.watch import Usage, watched

TITLE: Final = "requests: small requests through one process, 32 connections"


def measure(scale: Scale) -> Iterator[Figure]:
    with (
        a_folder() as folder,
        elsewhere() as other,
        FastReceiver(folder / "receiver") as receiver,
        a_registry(folder / "registry") as registry,
        a_sidecar(folder / "quiet", registry=registry.url, addresses=[]) as quiet,
        a_sidecar(
            folder / "observing", registry=registry.url, addresses=[f"{receiver.url}/count/events"]
        ) as observing,
    ):
        an_image_in(registry)
        manifest = f"/v2/{REPOSITORY}/manifests/base"
        for method, path, what, sidecar in (
            ("GET", "/v2/", "GET /v2/", quiet),
            ("HEAD", manifest, "HEAD of a manifest, no policy", quiet),
            ("HEAD", manifest, "HEAD of a manifest, observed", observing),
            ("GET", manifest, "GET of a manifest, no policy", quiet),
            ("GET", manifest, "GET of a manifest, observed", observing),
        ):
            with watched(registry.pid) as its:
                direct = _ask(other, registry.port, method, path, scale)
            with watched(sidecar.pid) as own:
                through = _ask(other, sidecar.proxy_port, method, path, scale)
            yield from _compared(what, through, direct)
            yield processor_time(through, own, direct, its)


def _ask(other: Elsewhere, port: int, method: str, path: str, scale: Scale) -> Outcome:
    plan = Plan(port=port, method=method, path=path, connections=32, seconds=scale.seconds)
    outcome = other.run(run_plan, plan)
    outcome.check(200)
    return outcome


def processor_time(through: Outcome, own: Usage, direct: Outcome, its: Usage) -> Figure:
    """The cost of a request: the figure that depends least on the load of the machine."""
    return Figure(
        what="  processor time of each",
        value=own.cpu_s / len(through.durations_s) * 1000,
        unit="ms",
        peer=its.cpu_s / len(direct.durations_s) * 1000,
        which="the registry, asked directly",
    )


def _compared(what: str, through: Outcome, direct: Outcome) -> Iterator[Figure]:
    which = "the registry itself"
    yield Figure(what=what, value=through.rate, unit="/s", peer=direct.rate, which=which)
    yield Figure(
        what="  p99",
        value=percentile(through.durations_s, 0.99) * 1000,
        unit="ms",
        peer=percentile(direct.durations_s, 0.99) * 1000,
        which=which,
    )
