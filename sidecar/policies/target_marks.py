"""By what a target of harbor.yml is found again after its policy was edited."""

from functools import lru_cache
from hashlib import sha256
from typing import Final

from sidecar.policies.policy import WebhookPolicy

_BEGINNING: Final = 4  # hex digits: enough to tell the addresses of one policy apart


def target_marks(policy: WebhookPolicy) -> list[str]:
    """By what each target is found again when others are put before it or taken out; shows no address.

    Its own address, and the beginnings of all that the policy has.
    """
    own = [_address_mark(target.address) for target in policy.targets]
    all_of_them = ",".join(mark[:_BEGINNING] for mark in own)
    return [f"{mark} {all_of_them}" for mark in own]


def find_target(policy: WebhookPolicy, index: int, mark: str) -> int | None:
    """Where the target stands now that stood at `index` and had this mark; None when it was removed.

    If its address is gone, it was corrected where a new one stands in its place.
    """
    there = index if index < len(policy.targets) else None
    own, _, known = mark.partition(" ")
    if not own or (there is not None and _address_mark(policy.targets[index].address) == own):
        return there
    found = [_address_mark(target.address) for target in policy.targets]
    if own in found:
        return found.index(own)
    return None if there is None or found[index][:_BEGINNING] in known.split(",") else there


@lru_cache(maxsize=4096)
def _address_mark(address: str) -> str:
    return sha256(address.encode()).hexdigest()[:16]
