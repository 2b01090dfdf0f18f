"""Fetches that only prepare a push of something derived: they are part of that push, and no pull.

    tag, copy within a repository      GET D, PUT D under another tag
    make an index                      GET of each child, perhaps its config, PUT of the index
    sign, attach                       GET D, PUT of a manifest with the subject D, or of D's fallback tag
    append a layer, change the config  GET D and its config, PUT of a manifest with D's layers, perhaps more
    append to an index                 GET of an index, PUT of one with its children and more

A client that fetched a layer has pulled, whatever it pushes then. Sequences of real clients: docs/events.md.
"""

from collections import defaultdict
from collections.abc import Iterable
from hashlib import sha256

from sidecar.model.changes import Released
from sidecar.model.exchange import Client
from sidecar.model.manifest import Descriptor, Manifest
from sidecar.model.memory import HeldPull, Snapshot
from sidecar.model.names import Reference, fallback_subject


def preparing_pulls(
    client: Client, manifest: Manifest | None, named: Iterable[str], snapshot: Snapshot
) -> tuple[Released, ...]:
    """The held pulls that prepared a push: of the manifest, of its parts and of its subject.

    named   digests of the manifest, of those below it and of its subject
    """
    digests = frozenset(named)
    looked_at: defaultdict[str, list[HeldPull]] = defaultdict(list)
    others = []
    for held in snapshot.held_pulls:
        if held.layer_fetched:
            continue
        if held.event.digest in digests:
            looked_at[held.event.digest].append(held)
        elif manifest and _is_base(held, manifest, snapshot):
            others.append(held)
    found = [held for looks in (*looked_at.values(), others) for held in _of_one_process(looks, client)]
    return tuple(Released(held.event.id) for held in found)


def _is_base(held: HeldPull, manifest: Manifest, snapshot: Snapshot) -> bool:
    """Whether a manifest contains all of another one that was fetched recently, and so is derived from it."""
    if not manifest.children:
        return held.layers in _prefix_fingerprints(manifest.layers)
    known = snapshot.manifest(held.event.digest)
    children = known.children if known else ()
    return bool(children) and {child.digest for child in manifest.children}.issuperset(children)


def subjects_of(manifest: Manifest | None, reference: Reference) -> tuple[str, ...]:
    """The digest that a manifest is attached to, by its subject or its tag; only the beginning of a cut digest."""
    by_tag = fallback_subject(reference.tag) if reference.tag else None
    return tuple(subject for subject in (manifest.subject if manifest else None, by_tag) if subject)


def layers_fingerprint(manifest: Manifest | None) -> str:
    """A hash of a list of layers, "" for none."""
    fingerprints = _prefix_fingerprints(manifest.layers) if manifest else []
    return fingerprints[-1] if fingerprints else ""


def _prefix_fingerprints(layers: Iterable[Descriptor]) -> list[str]:
    """The fingerprints of the first layer, of the first two, and so on."""
    running, fingerprints = sha256(), []
    for layer in layers:
        running.update(f"{layer.digest}\n".encode())
        fingerprints.append(running.hexdigest())
    return fingerprints


def _of_one_process(looks: list[HeldPull], client: Client) -> list[HeldPull]:
    """The pulls without a layer on the same connection, or all if there are none.

    crane tags on the connection of its lookup, while others pull; it pushes an index on another
    one, because it has looked up the children in parallel.
    """
    return [held for held in looks if held.client.shares_connection(client)] or looks
