"""What a client fetched only to push something made of it: part of that push, and no pull.

    tag, copy within a repository      GET D, PUT D under another tag
    make an index                      GET of each child, perhaps its config, PUT of the index
    sign, attach                       GET D, PUT of a manifest with the subject D, or of D's fallback tag
    append a layer, change the config  GET D and its config, PUT of a manifest with D's layers, perhaps more
    append to an index                 GET of an index, PUT of one with its children and more

Whoever fetched a layer has pulled, whatever it pushes then. Sequences of real clients: docs/events.md.
"""

from collections.abc import Iterable
from hashlib import sha256

from sidecar.model.exchange import Client
from sidecar.model.manifest import Descriptor, Manifest
from sidecar.model.memory import HeldPull, Memory
from sidecar.model.names import Digest, Reference, Repository, fallback_subject


def drop_preparing_pulls(
    client: Client, repository: Repository, manifest: Manifest | None, named: Iterable[str], memory: Memory
) -> None:
    """Drop the held pulls of what is pushed, of what it is made of and of what it is attached to.

    named   digests of the manifest, of those below it and of its subject
    """
    digests = dict.fromkeys(named)
    for digest in digests:
        _drop(memory.held_pulls(client, repository, Digest(digest)), client, memory)
    if manifest:
        others = (
            held
            for held in memory.held_pulls_in(client, repository)
            if held.event.digest not in digests and not held.layer_fetched
        )
        _drop((held for held in others if _is_base(held, repository, manifest, memory)), client, memory)


def _is_base(held: HeldPull, repository: Repository, manifest: Manifest, memory: Memory) -> bool:
    """Whether a manifest has all of what another one has that was looked at a moment ago: made from it."""
    if not manifest.children:
        return held.layers in _prefix_marks(manifest.layers)
    known = memory.manifest(repository, Digest(held.event.digest))
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


def _drop(candidates: Iterable[HeldPull], client: Client, memory: Memory) -> None:
    """Drop those without a layer: those of the same connection, or all where none is.

    crane tags on the connection on which it asked, beside others that pull; it puts an index on another
    one, for it has looked at the children in parallel.
    """
    looks = [held for held in candidates if not held.layer_fetched]
    same = [held for held in looks if held.client.shares_connection(client)]
    for held in same or looks:
        memory.release(held.event.id)
