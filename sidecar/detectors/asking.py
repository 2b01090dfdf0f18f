"""Whether a request belongs to a held pull, or is a pull of its own.

Measured with docker, containerd, podman, buildah, skopeo, crane, oras, helm and regctl: docs/events.md.
"""

from datetime import timedelta
from typing import Final

from sidecar.detectors.traces import resolved_on_connection
from sidecar.model.event import Event
from sidecar.model.exchange import Client
from sidecar.model.memory import HeldPull, Snapshot

#: docker and containerd fetch right after resolving; a slow client gets a minute.
RESOLUTION_KEPT: Final = timedelta(seconds=60)
#: A client that sends several requests per pull does it within this time, children included.
ASKED_AGAIN: Final = timedelta(seconds=10)
#: Clients that send several requests on different connections, and how many: `docker manifest` requests a tag
#: again for each form that it tries (measured); CRI-O inspects an image before it copies it (its
#: server/image_pull.go, PrepareImage).
_ASKS: Final = (("Docker-Client/", 4), ("cri-o/", 2))


def asked_before(client: Client, event: Event, snapshot: Snapshot) -> HeldPull | None:
    """The held pull that this request belongs to, None for a pull of its own.

    Address, user and user agent may be shared by many processes. A process that asks twice uses one connection;
    only known clients use several. Any other process asks once, so each request is a pull.
    """
    for held in snapshot.held_pulls:
        asks_again = held.client.shares_connection(client) or held.asked < times_asked(client)
        if event.tag in {"", held.event.tag} and (
            (asks_again and not held.layer_fetched) or _walks_again(client, event, held, snapshot)
        ):
            return held
    return None


def _walks_again(client: Client, event: Event, held: HeldPull, snapshot: Snapshot) -> bool:
    """Whether this may be the second request of a process that looked up attachments meanwhile.

    `oras cp -r` resolves and fetches on one connection, looks up attachments on several, and fetches again
    to copy. Other clients resolve on a separate connection.
    """

    def resolved_by(asking: Client) -> bool:
        since = event.occurred_at - RESOLUTION_KEPT
        return resolved_on_connection(snapshot.traces, asking, event.digest, since)

    is_second = held.asked == 1 and not event.tag and not held.event.tag
    return is_second and resolved_by(held.client) and not resolved_by(client)


def times_asked(client: Client) -> int:
    """The most requests that a client sends for one pull, each on a new connection."""
    return next((times for agent, times in _ASKS if client.user_agent.startswith(agent)), 1)
