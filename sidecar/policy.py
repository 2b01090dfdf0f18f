"""Who wants to hear of which events.

A project has policies, a policy has targets. `*` as a policy's project means every project.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from itertools import islice
from typing import Final

from sidecar.event import Event, EventType

ALL_PROJECTS: Final = "*"

_WHOLE_COMPONENTS = re.compile(r"(^|/)\*\*/")
_INNERMOST_BRACES = re.compile(r"\{([^{}]*)\}")
_MOST_ALTERNATIVES: Final = 256  #: of one glob; more are not looked at


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
    """`*` stays within a path component, `**` crosses slashes, `?` is one character, `{a,b}` is either.

    `a/**/b` matches `a/b` too. Harbor's own selectors (doublestar) read the same.
    """
    plain = _alternatives(_WHOLE_COMPONENTS.sub(r"\1{**/,}", glob))
    return re.compile("|".join(_translate(alternative) for alternative in islice(plain, _MOST_ALTERNATIVES)))


def _alternatives(glob: str) -> Iterator[str]:
    """The globs without braces that one with braces stands for."""
    left = [glob]
    while left:
        glob = left.pop()
        braces = _INNERMOST_BRACES.search(glob)
        if not braces:
            yield glob
            continue
        before, after = glob[: braces.start()], glob[braces.end() :]
        left += [f"{before}{alternative}{after}" for alternative in reversed(braces[1].split(","))]


def _translate(glob: str) -> str:
    # Of each star but the last, the shortest match is the best: the groups are atomic, so that no glob
    # and no name make the matching slow.
    first, *rest = glob.split("**")
    if not rest:
        return _within_component(first, is_end=True)
    between = "".join(f"(?>.*?{_within_component(part, is_end=False)})" for part in rest[:-1])
    return f"{_within_component(first, is_end=False)}{between}.*{_within_component(rest[-1], is_end=True)}"


def _within_component(glob: str, *, is_end: bool) -> str:
    first, *rest = (re.escape(part).replace(r"\?", "[^/]") for part in glob.split("*"))
    end = f"[^/]*{rest.pop()}" if rest and is_end else ""
    return first + "".join(f"(?>[^/]*?{part})" for part in rest) + end
