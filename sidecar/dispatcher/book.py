"""What the configuration says about each target, as the dispatcher needs it.

A snapshot of the policies that is taken when they change, and beside it which targets have asked, with
410 Gone, to be left alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from sidecar.delivery import TargetKey, Unreachable
from sidecar.dispatcher.prepared import PreparedTarget, TlsContexts, prepare
from sidecar.policy import Target, WebhookPolicy

Targets = Mapping[TargetKey, tuple[WebhookPolicy, Target]]


@dataclass(slots=True)
class AddressBook:
    targets: Callable[[], Targets]  #: the current configuration
    is_enabled: Callable[[], bool]  #: the global switch
    tls: TlsContexts
    environment: Mapping[str, str]  #: where proxies are named
    _current: Targets = field(default_factory=dict)
    _prepared: dict[TargetKey, tuple[Target, PreparedTarget | Unreachable]] = field(default_factory=dict)
    _gone: dict[TargetKey, tuple[WebhookPolicy, Target]] = field(default_factory=dict)

    def refresh(self) -> None:
        """Take the configuration as it is now; a target that was gone and has changed may be tried."""
        self._current = self.targets()
        self._gone = {key: was for key, was in self._gone.items() if self._current.get(key) == was}
        self._prepared = {
            key: entry
            for key, entry in self._prepared.items()
            if key in self._current and self._current[key][1] == entry[0]
        }

    def disable(self, key: TargetKey) -> None:
        """The target answered 410: nothing is sent to it until its policy changes."""
        if key in self._current:
            self._gone[key] = self._current[key]

    def hold_reason(self, key: TargetKey) -> str:
        """Why nothing is sent to a target at all; empty when it may be."""
        if not self.is_enabled():
            return "webhooks are switched off"
        if key not in self._current:
            return "the policy or its target was removed"
        if not self._current[key][0].enabled:
            return "the policy is disabled"
        return "the target answered 410 Gone" if key in self._gone else ""

    def prepared(self, key: TargetKey) -> PreparedTarget | Unreachable:
        """What to send with, or why nothing can be sent; only for a key that is not held."""
        target = self._current[key][1]
        if key not in self._prepared:
            self._prepared[key] = target, prepare(target, tls=self.tls, environment=self.environment)
        return self._prepared[key][1]

    def host_of(self, key: TargetKey) -> str:
        """For logs: the host alone, since paths and queries may hold tokens."""
        try:
            return urlsplit(self._current[key][1].address).hostname or ""
        except (KeyError, ValueError):
            return ""
