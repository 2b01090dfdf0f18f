"""By what a target is told from the others of its policy: never by its position in the list.

A target has the id that harbor.yml gives it, else one that is made of its address, and shows nothing of it. So a policy's targets
may be put in another order, added and taken out, and each keeps what waits for it.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Final

from sidecar.policies.target import Target

#: What stands after the address's id in one that is resolved by the position, once (see `store.schema`).
_POSITION: Final = "#"


@lru_cache(maxsize=4096)
def address_id(address: str) -> str:
    """The id of a target that has no other: 16 hexadecimal digits."""
    return sha256(address.encode()).hexdigest()[:16]


@lru_cache(maxsize=4096)
def target_ids(targets: tuple[Target, ...]) -> tuple[str, ...]:
    """The id of each target, in their order; no two are equal.

    Targets with one address are numbered in the order of type and format, so that their order in the list does not count.
    """
    taken = {target.id for target in targets if target.id}
    ids: dict[int, str] = {}
    for number in sorted(range(len(targets)), key=lambda number: _form(targets[number])):
        target = targets[number]
        ids[number] = target.id or _free(address_id(target.address), taken)
        taken.add(ids[number])
    return tuple(ids[number] for number in range(len(targets)))


def _form(target: Target) -> tuple[str, ...]:
    return target.type, target.payload_format, target.event_names, target.template


def _free(wanted: str, taken: Collection[str]) -> str:
    found, number = wanted, 1
    while found in taken:
        number += 1
        found = f"{wanted}-{number}"
    return found


def successors(
    targets: tuple[Target, ...], *, before: Sequence[str], waiting: Collection[str]
) -> Mapping[str, str]:
    """Who gets what waits for targets that are there no longer, by their ids; those that are left out have nobody.

    before    the ids of the policy's targets as they were last known, in order
    waiting   ids that something waits for

    A target that was given an id of its own, or whose id was taken away, is known by its address. Else, where one that is gone stood
    and a new one stands now, an address was corrected.
    """
    ids = target_ids(targets)
    addresses = {
        address_id(target.address): own for target, own in reversed([*zip(targets, ids, strict=True)])
    }
    found: dict[str, str] = {}
    for old in {*before, *waiting} - set(ids):
        address, _, position = old.partition(_POSITION)
        new = _at(targets, ids, address, position) if position else None
        new = new or addresses.get(address) or _corrected(old, before, ids)
        if new:
            found[old] = new
    return found


def _at(targets: tuple[Target, ...], ids: tuple[str, ...], address: str, position: str) -> str | None:
    """The target at a position, if its address is as expected, or anything was."""
    if not position.isdecimal() or int(position) >= len(targets):
        return None
    there = int(position)
    return ids[there] if address in {"", address_id(targets[there].address)} else None


def _corrected(old: str, before: Sequence[str], ids: tuple[str, ...]) -> str | None:
    stood = before.index(old) if old in before else len(ids)
    new = ids[stood] if stood < len(ids) else None
    return None if new in before else new
