"""Targets that asked, with 410 Gone, to be sent nothing any more.

The store has the list; this is a snapshot of it. Somebody may use a target again by changing the list, so it is
read again and again; what this process adds counts at once.
"""

from datetime import datetime
from typing import Final

from sidecar.dispatcher.corrected_targets import elsewhere
from sidecar.dispatcher.target_registry import TargetRegistry
from sidecar.model.delivery import TargetKey
from sidecar.store.disabled import DisabledTarget, DisabledTargets

_GONE: Final = "the target answered 410 Gone"


class DisabledSnapshot:
    """Entries about an address that a target has no longer count for nothing, and are taken off the list."""

    def __init__(self, stored: DisabledTargets, registry: TargetRegistry) -> None:
        self._stored = stored
        self._registry = registry
        self._entries: dict[TargetKey, DisabledTarget] = {}
        self._unstored: dict[TargetKey, DisabledTarget] = {}  # of the entries: not on the list yet
        self._revision = 0  # counts what this process has put on the list

    @property
    def number(self) -> int:
        """How many targets get nothing for that."""
        return sum(map(self._registry.is_still, self._entries.values()))

    def reason_of(self, key: TargetKey) -> str:
        """Why nothing is sent to a target; "" when it is not disabled."""
        entry = self._entries.get(key)
        return entry.reason if entry and self._registry.is_still(entry) else ""

    def add(self, key: TargetKey, *, at: datetime) -> None:
        """The target answered 410: nothing is sent to it from now on. Then `store` it."""
        if address_hash := self._registry.address_hash_of(key):  # else it was removed meanwhile
            self._note(DisabledTarget(target=key, address_hash=address_hash, at=at, reason=_GONE))

    def policies_changed(self) -> None:
        """A disabled target stays so when it is given another id."""
        for entry in elsewhere(self._entries, self._registry):
            self._note(entry)

    async def store(self, key: TargetKey) -> None:
        """Put a target on the list. Raises StoreUnavailable; the store writes it when it can."""
        if entry := self._unstored.get(key):
            try:
                await self._stored.disable(entry)
            finally:
                self._unstored.pop(key, None)
                self._revision += 1

    async def follow(self) -> None:
        """Read the list, and take off it what is about no target any more. Raises StoreUnavailable."""
        for key in list(self._unstored):
            await self.store(key)
        revision, read = self._revision, await self._stored.all()
        if self._unstored or revision != self._revision:
            return  # what was read is older than what is known here
        self._entries = {entry.target: entry for entry in read}
        self.policies_changed()
        stale = {key for key, entry in self._entries.items() if not self._registry.is_still(entry)}
        for key in list(self._unstored):
            await self.store(key)
        if stale:
            await self._stored.enable(stale)

    def _note(self, entry: DisabledTarget) -> None:
        self._entries[entry.target] = self._unstored[entry.target] = entry
