"""Which events a policy subscribes to, and for which targets.

A project has policies, a policy has targets. `*` as a policy's project means every project.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from sidecar.model.delivery import TargetKey
from sidecar.model.event import IN_ALL, Event, EventType
from sidecar.policies.globs import is_glob_of
from sidecar.policies.target import Target
from sidecar.policies.target_ids import target_ids

ALL_PROJECTS: Final = "*"


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

    @property
    def target_ids(self) -> tuple[str, ...]:
        """The id of each target, in their order."""
        return target_ids(self.targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """The configuration of a project; a project that is not configured has the defaults."""

    name: str
    public: bool = False
    oci_chart_events: bool = False  #: a chart pushed as an OCI artifact raises CHART events as well


def targets_of(policies: Iterable[WebhookPolicy]) -> Mapping[TargetKey, tuple[WebhookPolicy, Target]]:
    """Every target with its policy, by the key that deliveries carry."""
    return {
        TargetKey(policy_id=policy.id, target_id=target_id): (policy, target)
        for policy in policies
        for target_id, target in zip(policy.target_ids, policy.targets, strict=True)
    }


def matches(policy: WebhookPolicy, event: Event) -> bool:
    """Whether a policy subscribes to an event; a disabled policy does not."""
    return (
        policy.enabled
        and policy.project in {ALL_PROJECTS, event.repository.project}
        and event.type in policy.event_types
        and _is_chosen(event.repository.full_name, policy.repositories, policy.exclude_repositories)
        and (not policy.operators or _any_glob(policy.operators, (event.operator,)))
        and _has_wanted_tag(policy, event)
    )


def _has_wanted_tag(policy: WebhookPolicy, event: Event) -> bool:
    # A tag filter applies to the tag that the user named, not to other tags of the same digest.
    # A delete by digest has all its tags; it is enough that one matches.
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
