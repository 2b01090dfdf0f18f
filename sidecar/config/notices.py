"""Notices: settings that are valid but may not do what their author expects."""

import re
from collections.abc import Iterator
from typing import Any, Final

from pydantic import BaseModel

from sidecar.config.errors import Diagnostic, Errors, Location, sections
from sidecar.config.model import PolicySection, TargetSection
from sidecar.formats import unsupported_types
from sidecar.formats.receivers import mismatch
from sidecar.model.event import IN_ALL, NOT_YET, EventType, of_harbor_alone, parse_event_type
from sidecar.policies.target import EventNames, PayloadFormat

#: Keys that this version checks but does not use.
NOT_IN_EFFECT: Final = frozenset(
    {
        ("database", "url"),
        ("harbor_admin_password",),
        ("users_file",),
        ("scanners",),
        ("projects", "admins"),
        ("projects", "storage_limit"),
        ("projects", "scan_on_push"),
    }
)
_VARIABLE: Final = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*(?::?[-=?+][^}]*)?\}")
_TEXTS_OF_THEIR_OWN: Final = {"template"}  # where ${x} may be intended


def notices_of(values: dict[str, Any], model: type[BaseModel], errors: Errors) -> Iterator[Diagnostic]:
    """The notices for values that the model has accepted."""
    for at, mapping, kind in sections(values, model):
        found = list(_not_in_effect(at, mapping))
        if kind is PolicySection:
            found += _about_events(at, mapping)
            found += _about_formats(at, mapping)
        if kind is TargetSection:
            found += _about_receiver(at, mapping)
        yield from (Diagnostic(errors.label(location), what) for location, what in found)
    for location in _variables(values):
        yield Diagnostic(
            errors.label(location),
            "holds ${…}, which is used as it stands; a value can come from "
            "the environment by its own name, or from a file (docs/configuration.md)",
        )


def _not_in_effect(at: Location, mapping: dict[str, Any]) -> Iterator[tuple[Location, str]]:
    for name in mapping:
        if tuple(part for part in (*at, name) if isinstance(part, str)) in NOT_IN_EFFECT:
            yield (*at, name), "accepted, but not in effect in this version"


def _about_events(at: Location, policy: dict[str, Any]) -> Iterator[tuple[Location, str]]:
    names = policy.get("event_types")
    if names is None:
        return
    location = (*at, "event_types")
    kinds = _chosen(names)
    if alone := [found for name in names if (found := of_harbor_alone(name))]:
        yield location, f"{', '.join(alone)}: accepted, but never raised by this program"
    if waiting := sorted(kinds & NOT_YET):
        yield location, f"{', '.join(waiting)}: accepted, but does not happen in this version"
    if not kinds - NOT_YET:
        yield location, "nothing of this happens: this policy will never be triggered"


def _about_formats(at: Location, policy: dict[str, Any]) -> Iterator[tuple[Location, str]]:
    for index, target in enumerate(policy["targets"]):
        yield from about_format((*at, "targets", index), target, policy.get("event_types"))


def about_format(
    at: Location, target: dict[str, Any], event_types: list[str] | None
) -> Iterator[tuple[Location, str]]:
    """Events that its policy subscribes to (None: all) but the format of a target does not support."""
    wanted = IN_ALL if event_types is None else _chosen(event_types)
    form = _format_of(target)
    if unsent := wanted & unsupported_types(form):
        also = "; that is all it asks for" if unsent == wanted else ""
        what = f"{form} has no event type for {', '.join(sorted(unsent))}: not sent to this target{also}"
        yield (*at, "payload_format"), what


def _chosen(names: list[str]) -> frozenset[EventType]:
    return frozenset(kind for name in names if (kind := parse_event_type(name)))


def _format_of(target: dict[str, Any]) -> PayloadFormat:
    return PayloadFormat(target.get("payload_format", PayloadFormat.DOCUMENTED))


def _about_receiver(at: Location, target: dict[str, Any]) -> Iterator[tuple[Location, str]]:
    if target.get("type", "http") != "http":
        return
    form = _format_of(target)
    names = EventNames(target.get("event_names", EventNames.HARBOR2))
    if what := mismatch(target["address"], form, names):
        yield (*at, "payload_format"), what


def _variables(value: Any, at: Location = ()) -> Iterator[Location]:
    """Values in which a shell or Compose would have substituted something."""
    if isinstance(value, str):
        if _VARIABLE.search(value):
            yield at
    elif isinstance(value, list):
        for index, element in enumerate(value):
            yield from _variables(element, (*at, index))
    elif isinstance(value, dict):
        for key, element in value.items():
            if key not in _TEXTS_OF_THEIR_OWN:
                yield from _variables(element, (*at, key))
