"""Who wants to hear of which events.

A project has policies, a policy has targets. `*` as a policy's project means every project.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Final

from sidecar.event import Event, EventType

ALL_PROJECTS: Final = "*"


class Secret:
    """A value that must not appear in any log, record or error; prints as ***."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "***" if self._value else "''"

    __str__ = __repr__

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)


class TargetType(StrEnum):
    HTTP = "http"
    SLACK = "slack"
    TEAMS = "teams"


class PayloadFormat(StrEnum):
    DOCUMENTED = "Documented"  #: the form printed on Harbor's webhook page
    DEFAULT = "Default"  #: what Harbor 2 sends
    CLOUDEVENTS = "CloudEvents"


class EventNames(StrEnum):
    """Which spelling of event types `Default` uses."""

    HARBOR2 = "2.x"
    HARBOR1 = "1.x"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One endpoint of a policy."""

    address: str  #: absolute http or https URL, kept byte for byte
    type: TargetType = TargetType.HTTP
    auth_header: Secret = field(default_factory=lambda: Secret(""))  #: whole value of Authorization
    skip_cert_verify: bool = False
    payload_format: PayloadFormat = PayloadFormat.DOCUMENTED
    event_names: EventNames = EventNames.HARBOR2
    secret: Secret = field(default_factory=lambda: Secret(""))  #: signs deliveries when set


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookPolicy:
    """Events of one project, or of all, for some targets."""

    id: str  #: stable; project/name for policies of harbor.yml
    project: str  #: or ALL_PROJECTS
    name: str
    enabled: bool = True
    event_types: frozenset[EventType] = frozenset(EventType)
    repositories: tuple[str, ...] = ()  #: globs over the full name; empty = all
    tags: tuple[str, ...] = ()  #: globs; empty = all
    targets: tuple[Target, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """What is configured about a project; a project that is only seen has the defaults."""

    name: str
    public: bool = False
    oci_chart_events: bool = False  #: a chart pushed as an OCI artifact raises CHART events as well


def matches(policy: WebhookPolicy, event: Event) -> bool:
    """Whether a policy wants an event. Whether it is enabled is part of the answer."""
    return (
        policy.enabled
        and policy.project in {ALL_PROJECTS, event.repository.project}
        and event.type in policy.event_types
        and _any_glob(policy.repositories, (event.repository.full_name,))
        and _any_glob(policy.tags, _tags_of(event))
    )


def _tags_of(event: Event) -> Iterable[str]:
    # A tag filter is about what the user named: other tags of the same digest do not let it pass.
    # A delete by digest names all its tags.
    if event.chart:
        return (event.chart.version, event.tag)
    return (event.tag,) if event.tag else event.tags


def _any_glob(globs: tuple[str, ...], names: Iterable[str]) -> bool:
    return not globs or any(_glob(glob).fullmatch(name) for name in names for glob in globs)


@lru_cache(maxsize=1024)
def _glob(glob: str) -> re.Pattern[str]:
    """`*` stays within a path component, `**` crosses slashes, `?` is one character.

    Harbor's own selectors (doublestar) read the same.
    """
    parts = re.split(r"(\*\*|\*|\?)", glob)
    translated = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(translated.get(part) or re.escape(part) for part in parts))
