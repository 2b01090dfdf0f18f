"""Who wants to hear of which events.

A project has policies, a policy has targets. `*` as a policy's project means every project.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256
from itertools import islice
from typing import Final

from sidecar.model.event import IN_ALL, Event, EventType
from sidecar.model.secrets import Secret

ALL_PROJECTS: Final = "*"

_WHOLE_COMPONENTS = re.compile(r"(?<![^/{,])(?:\*\*/)+")
_INNERMOST_BRACES = re.compile(r"\{([^{}]*)\}")
_BEGINNING: Final = 4  # hex digits: enough to tell the addresses of one policy apart
_MOST_ALTERNATIVES: Final = 256  #: of one glob; more are not looked at


class TargetType(StrEnum):
    HTTP = "http"
    SLACK = "slack"
    TEAMS = "teams"


class PayloadFormat(StrEnum):
    DOCUMENTED = "Documented"  #: the form printed on Harbor's webhook page
    DEFAULT = "Default"  #: what Harbor 2 sends
    CLOUDEVENTS = "CloudEvents"
    CDEVENTS = "CDEvents"  #: of the Continuous Delivery Foundation, in a CloudEvent
    TEMPLATE = "Template"  #: what the target's own template makes of the event


class EventNames(StrEnum):
    """Which spelling of event types `Default` uses."""

    HARBOR2 = "2.x"
    HARBOR1 = "1.x"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """PEM files for connections to one target; two that are equal hold the same."""

    ca_file: str = ""  #: trusted instead of the system's authorities
    client_cert_file: str = ""
    client_key_file: str = ""
    fingerprint: str = ""  #: of what the files held when they were read


@dataclass(frozen=True, slots=True, kw_only=True)
class BodySignature:
    """A header with the HMAC of the body alone, for receivers that know no other signature."""

    header: str
    prefix: str  #: before the hexadecimal digits, as "sha256="
    secret: Secret


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
    previous_secret: Secret = field(
        default_factory=lambda: Secret("")
    )  #: signs beside it while it is replaced
    body_signature: BodySignature | None = None
    headers: tuple[tuple[str, Secret], ...] = ()  #: sent with every attempt
    tls: TlsFiles = field(default_factory=TlsFiles)
    template: str = ""  #: for TEMPLATE
    template_content_type: str = "application/json"

    @property
    def is_signed(self) -> bool:
        return bool(self.secret or self.body_signature)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookPolicy:
    """Events of one project, or of all, for some targets."""

    id: str  #: stable; project/name for policies of harbor.yml
    project: str  #: or ALL_PROJECTS
    name: str
    enabled: bool = True
    event_types: frozenset[EventType] = IN_ALL
    repositories: tuple[str, ...] = ()  #: globs over the full name; empty = all
    tags: tuple[str, ...] = ()  #: globs; empty = all
    exclude_repositories: tuple[str, ...] = ()  #: globs; go before `repositories`
    exclude_tags: tuple[str, ...] = ()  #: globs; go before `tags`
    operators: tuple[str, ...] = ()  #: globs over who did it; "" is an anonymous client; empty = all
    max_retry: int | None = None  #: this and the next two: None = as for all policies
    timeout_s: float | None = None
    retry_waits_s: tuple[float, ...] | None = None
    targets: tuple[Target, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """What is configured about a project; a project that is only seen has the defaults."""

    name: str
    public: bool = False
    oci_chart_events: bool = False  #: a chart pushed as an OCI artifact raises CHART events as well


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


def matches(policy: WebhookPolicy, event: Event) -> bool:
    """Whether a policy wants an event. Whether it is enabled is part of the answer."""
    return (
        policy.enabled
        and policy.project in {ALL_PROJECTS, event.repository.project}
        and event.type in policy.event_types
        and _is_chosen(event.repository.full_name, policy.repositories, policy.exclude_repositories)
        and (not policy.operators or _any_glob(policy.operators, (event.operator,)))
        and _has_wanted_tag(policy, event)
    )


def _has_wanted_tag(policy: WebhookPolicy, event: Event) -> bool:
    # A tag filter is about what the user named: other tags of the same digest do not let it pass.
    # A delete by digest names all its tags; one of them that is wanted is enough.
    if not policy.tags and not policy.exclude_tags:
        return True
    if event.chart:  # two spellings of one version
        spellings = (event.chart.version, event.tag)
        return (not policy.tags or _any_glob(policy.tags, spellings)) and not _any_glob(
            policy.exclude_tags, spellings
        )
    tags = (event.tag,) if event.tag else event.tags
    return any(_is_chosen(tag, policy.tags, policy.exclude_tags) for tag in tags) or not (tags or policy.tags)


def _is_chosen(name: str, globs: tuple[str, ...], but_not: tuple[str, ...]) -> bool:
    return (not globs or _any_glob(globs, (name,))) and not _any_glob(but_not, (name,))


def _any_glob(globs: tuple[str, ...], names: Iterable[str]) -> bool:
    return any(is_glob_of(glob, name) for name in names for glob in globs)


def is_glob_of(glob: str, name: str) -> bool:
    """Whether a glob of a policy matches a name."""
    return bool(_glob(glob).fullmatch(name))


@lru_cache(maxsize=1024)
def _glob(glob: str) -> re.Pattern[str]:
    """`*` stays within a path component, `**` crosses slashes, `?` is one character, `{a,b}` is either.

    `a/**/b` matches `a/b` too. Harbor's own selectors (doublestar) read the same.
    """
    return re.compile("|".join(map(_translate, plain_globs(_WHOLE_COMPONENTS.sub("{**/,}", glob)))))


def plain_globs(glob: str) -> Iterator[str]:
    """The globs without `{a,b}` that one stands for."""
    return islice(_alternatives(glob), _MOST_ALTERNATIVES)


def _alternatives(glob: str) -> Iterator[str]:
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
