"""Which operations any policy is interested in; all others are only relayed, at no cost."""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final, get_args

from sidecar.model.event import EventType
from sidecar.model.exchange import HARBOR_CLIENT, Exchange
from sidecar.model.operation import (
    DeleteChart,
    DownloadChart,
    GetManifest,
    HeadManifest,
    Operation,
    Other,
    Ping,
    Routes,
    UploadChart,
    UploadProvenance,
    chart_repository_of,
)
from sidecar.policies.policy import ALL_PROJECTS, WebhookPolicy

#: Operation => event types that it may raise: the table of event types, inverted.
_SERVES: Final[dict[type[Operation], frozenset[EventType]]] = {
    operation: frozenset(kind for kind in EventType if operation in kind.about.operations)
    for operation in get_args(Operation)
}


class Interest:
    """The operations that the policies of one configuration are interested in."""

    def __init__(
        self, policies: Iterable[WebhookPolicy], *, routes: Routes, ignore_user_agents: tuple[str, ...] = ()
    ) -> None:
        self._routes = routes
        self._ignored_agents = ignore_user_agents
        self._wanted: dict[str, frozenset[EventType]] = {}
        for policy in policies:
            if policy.enabled:
                before = self._wanted.get(policy.project, frozenset())
                self._wanted[policy.project] = before | policy.event_types
        self._wanted_by_all = self._wanted.pop(ALL_PROJECTS, frozenset())

    def observes(self, operation: Operation) -> bool:
        """Whether an event that some policy subscribes to may depend on the operation."""
        served = _SERVES[type(operation)]
        return bool(served and self._wanted_in(operation) & served)

    def wants_rejections(self, operation: Operation) -> bool:
        return EventType.QUOTA_EXCEED in self._wanted_in(operation)

    @property
    def has_rejections(self) -> bool:
        """Whether any policy subscribes to rejected pushes."""
        return any(
            EventType.QUOTA_EXCEED in wanted for wanted in (self._wanted_by_all, *self._wanted.values())
        )

    def is_ignored(self, exchange: Exchange) -> bool:
        """Whether an exchange is by a client whose pulls do not count."""
        agent = exchange.client.user_agent
        match exchange.operation:
            case GetManifest() | HeadManifest() if agent == HARBOR_CLIENT:
                return True
            case GetManifest() | HeadManifest() | DownloadChart():
                return any(fnmatchcase(agent, glob) for glob in self._ignored_agents)
            case _:
                return False

    def _wanted_in(self, operation: Operation) -> frozenset[EventType]:
        project = self._project_of(operation)
        return self._wanted_by_all | self._wanted.get(project, frozenset())

    def _project_of(self, operation: Operation) -> str:
        match operation:
            case UploadChart(tenant) | UploadProvenance(tenant) | DownloadChart(tenant) | DeleteChart(tenant):
                return chart_repository_of(tenant, "chart", self._routes).project
            case Ping() | Other():
                return ""
            case _:
                return operation.repository.project
