"""From a client's answer to the receiver's request, when nothing else is going on.

Compared with distribution's own notifications to the same receiver. A negative time is correct: an event is stored
and may be sent before the client has the end of its response.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from bench.accept import a_push
from bench.figures import Figure, percentile
from bench.load import elsewhere, run_plan
from bench.receiver import FastReceiver
from bench.scale import Scale
from bench.stack import a_folder, a_registry, a_sidecar, an_image_in
from tests.support.images import Artifact

TITLE: Final = "latency: from the client's answer to the receiver's request, one push at a time"

_PAUSE_S: Final = 0.03


def measure(scale: Scale) -> Iterator[Figure]:
    with a_folder() as folder, FastReceiver(folder / "receiver") as receiver:
        notifications = _notifications(f"{receiver.url}/keep/distribution")
        with (
            a_registry(folder / "plain") as plain,
            a_registry(folder / "notifying", settings={"notifications": notifications}) as notifying,
            a_sidecar(
                folder / "sidecar", registry=plain.url, addresses=[f"{receiver.url}/keep/sidecar"]
            ) as sidecar,
        ):
            image = an_image_in(plain)
            an_image_in(notifying)
            own = _delays(receiver, "/keep/sidecar", sidecar.proxy_port, image, scale)
            peer = _delays(receiver, "/keep/distribution", notifying.port, image, scale)
    for since, of_own, of_peer in zip(("answered", "begun"), own, peer, strict=True):
        for name, fraction in (("median", 0.5), ("p99", 0.99), ("longest", 1.0)):
            yield Figure(
                what=f"since the push was {since}, {name}",
                value=percentile(of_own, fraction) * 1000,
                unit="ms",
                peer=percentile(of_peer, fraction) * 1000,
                which="distribution's notifications"
                + ("; aim 20 ms" if (since, name) == ("answered", "p99") else ""),
            )


def _notifications(url: str) -> Mapping[str, object]:
    endpoint = {"name": "receiver", "url": url, "timeout": "5s", "threshold": 5, "backoff": "1s"}
    return {"endpoints": [endpoint]}


def _delays(
    receiver: FastReceiver, path: str, port: int, image: Artifact, scale: Scale
) -> tuple[list[float], list[float]]:
    """Seconds since the client had its answer, and since it asked, for every push."""
    before = receiver.count()
    with elsewhere() as other:
        outcome = other.run(run_plan, a_push(port, image, count=scale.idle_pushes, pause_s=_PAUSE_S))
    outcome.check(201)
    receiver.wait_for(before + scale.idle_pushes, 10)
    arrived = {tag: at for received, tag, at in receiver.received() if received == path}
    answered, sent = outcome.answered_at, outcome.sent_at
    return [arrived[f"t{n}"] - at for n, at in answered.items()], [
        arrived[f"t{n}"] - at for n, at in sent.items()
    ]
