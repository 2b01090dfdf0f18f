"""What a client fetched only to push something made of it: part of that push, and no pull.

    tag, copy within a repository      GET D, PUT D under another tag
    make an index                      GET of each child, perhaps its config, PUT of the index
    sign, attach                       GET D, PUT of a manifest with the subject D, or of D's fallback tag
    append a layer, change the config  GET D and its config, PUT of a manifest with D's layers, perhaps more
    append to an index                 GET of an index, PUT of one with its children and more

Whoever fetched a layer has pulled, whatever it pushes then. Sequences of real clients: docs/events.md.
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
    """The held pulls of what is pushed, of what it is made of and of what it is attached to; they are none.

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
    """Whether a manifest has all of what another one has that was looked at a moment ago: made from it."""
    if not manifest.children:
        return held.layers in _prefix_marks(manifest.layers)
    known = snapshot.manifest(held.event.digest)
    children = known.children if known else ()
    return bool(children) and {child.digest for child in manifest.children}.issuperset(children)


def subjects_of(manifest: Manifest | None, reference: Reference) -> tuple[str, ...]:
    """What a manifest is attached to, by its own word or by its tag; of a cut digest only the beginning."""
    by_tag = fallback_subject(reference.tag) if reference.tag else None
    return tuple(subject for subject in (manifest.subject if manifest else None, by_tag) if subject)


def layers_mark(manifest: Manifest | None) -> str:
    """One text for a list of layers, "" for none: equal for equal lists."""
    marks = _prefix_marks(manifest.layers) if manifest else []
    return marks[-1] if marks else ""


def _prefix_marks(layers: Iterable[Descriptor]) -> list[str]:
    """The marks of the first layer, of the first two, and so on."""
    running, marks = sha256(), []
    for layer in layers:
        running.update(f"{layer.digest}\n".encode())
        marks.append(running.hexdigest())
    return marks


def _of_one_process(looks: list[HeldPull], client: Client) -> list[HeldPull]:
    """Of pulls without a layer those of the same connection, or all where none is.

    crane tags on the connection on which it asked, beside others that pull; it puts an index on another
    one, for it has looked at the children in parallel.
    """
    return [held for held in looks if held.client.shares_connection(client)] or looks
