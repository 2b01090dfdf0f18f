"""Tries every payload template on samples of each event type that its policy wants."""

from collections.abc import Iterator
from typing import Any

from sidecar.config.mistakes import Location, Mistakes, sections
from sidecar.config.model import HarborYml, PolicySection
from sidecar.event import IN_ALL, EventType, parse_event_type
from sidecar.formats import FormatContext, TemplateFailed, template
from sidecar.formats.payload import JSON_TYPE
from sidecar.formats.samples import SAMPLE_CREATED_AT, samples_of


def check_templates(values: dict[str, Any], mistakes: Mistakes) -> None:
    context = FormatContext(
        hostname="registry.example.com",
        external_url="https://registry.example.com",
        repository_created_at=SAMPLE_CREATED_AT,
    )
    for at, policy, kind in sections(values, HarborYml):
        if kind is PolicySection:
            for target_at, target in _targets(at, policy):
                if mistake := _mistake(target, _event_types(policy), context):
                    mistakes.add((*target_at, "template"), mistake)


def _targets(at: Location, policy: dict[str, Any]) -> Iterator[tuple[Location, dict[str, Any]]]:
    targets = policy.get("targets")
    for index, target in enumerate(targets if isinstance(targets, list) else ()):
        if not isinstance(target, dict) or target.get("payload_format") != "Template":
            continue
        if isinstance(target.get("template"), str):
            yield (*at, "targets", index), target


def _event_types(policy: dict[str, Any]) -> list[EventType]:
    names = policy.get("event_types")
    if not isinstance(names, list):
        return [kind for kind in EventType if kind in IN_ALL]
    return [kind for name in names if isinstance(name, str) and (kind := parse_event_type(name))]


def _mistake(target: dict[str, Any], kinds: list[EventType], context: FormatContext) -> str:
    """What is wrong with a template, "" when nothing is; the first event that it fails for."""
    source, content_type = target["template"], target.get("template_content_type", JSON_TYPE)
    try:
        template.compiled(source)
    except TemplateFailed as exc:
        return str(exc)
    for kind in kinds:
        for event in samples_of(kind):
            try:
                template.encode(event, context, source, str(content_type))
            except TemplateFailed as exc:
                return f"{exc} (tried with a sample of {kind})"
    return ""
