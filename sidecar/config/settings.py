"""The values that the rest of the program is built from, checked and complete."""

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Literal

from sidecar.model.client_limits import ClientLimits
from sidecar.model.secrets import Secret
from sidecar.policies.egress_rules import EgressRules
from sidecar.policies.policy import Project, WebhookPolicy
from sidecar.quota.rules import RejectionRule

Network = IPv4Network | IPv6Network
EventsMode = Literal["grouped", "exact"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamSettings:
    """The registry, or the part that a chart repository has in common with it."""

    url: str  #: scheme://host[:port], without a path
    username: str = ""  #: "" = the sidecar's own look-ups are anonymous
    password: Secret = field(default_factory=lambda: Secret(""))
    ca_file: Path | None = None  #: PEM bundle instead of the system's


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartUpstreamSettings(UpstreamSettings):
    """ChartMuseum."""

    depth: int  #: tenant segments, or operation.DYNAMIC
    context_path: str  #: "" or "/x"
    form_field: str  #: of an upload that is a form


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """How webhooks are delivered."""

    enabled: bool  #: the global switch
    max_retry: int  #: attempts that may fail before a delivery is given up
    timeout_s: float  #: one whole attempt
    retry_waits_s: tuple[float, ...]  #: after the n-th failure; the last one repeats
    target_concurrency: int  #: attempts under way to one target
    retention_days: float  #: how long finished deliveries are kept
    retention_count: int  #: and how many of each policy, the newest


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """How requests become events."""

    mode: EventsMode
    pull_hold_s: float
    push_hold_s: float
    ignore_user_agents: tuple[str, ...]  #: globs
    default_project: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that harbor.yml and the environment configure."""

    hostname: str
    external_url: str
    listen_proxy: tuple[str, int]
    listen_admin: tuple[str, int]
    workers: int
    registry: UpstreamSettings
    chart_repository: ChartUpstreamSettings | None
    data_volume: Path
    log_level: str  #: debug, info, warning, error or critical
    notification: Notification
    events: Events
    rejections: tuple[RejectionRule, ...]  #: recognise a refusal for lack of storage; the first match counts
    strict: bool
    trusted_proxies: tuple[Network, ...]  #: peers whose X-Forwarded-* are believed
    limits: ClientLimits
    egress: EgressRules
    projects: tuple[Project, ...]  #: `*` is not among them
    policies: tuple[WebhookPolicy, ...]
    connect_timeout_s: float  #: to an upstream
    look_up_timeout_s: float  #: all look-ups of one exchange together
    notices: tuple[str, ...] = field(default=(), compare=False)  #: accepted, but not in effect
    files: tuple[Path, ...] = field(
        default=(), compare=False
    )  #: that were read besides harbor.yml, to be watched too
