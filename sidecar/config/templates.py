"""Tries every payload template on samples of each event type that its policy subscribes to."""

from typing import Any, Final

from pydantic import BaseModel

from sidecar.config.errors import Errors, Location, sections
from sidecar.config.model import PolicySection
from sidecar.formats import FormatContext, TemplateFailed, template
from sidecar.formats.samples import SAMPLE_CREATED_AT, samples_of
from sidecar.model.delivery import JSON_TYPE
from sidecar.model.event import IN_ALL, EventType, parse_event_type

_CONTEXT: Final = FormatContext(
    hostname="registry.example.com",
    external_url="https://registry.example.com",
    repository_created_at=SAMPLE_CREATED_AT,
)


def check_templates(values: dict[str, Any], model: type[BaseModel], errors: Errors) -> None:
    """Checks the templates of every policy in the values."""
    for at, policy, kind in sections(values, model):
        targets = policy.get("targets") if kind is PolicySection else None
        for index, target in enumerate(targets if isinstance(targets, list) else ()):
            if isinstance(target, dict):
                check_template((*at, "targets", index), target, policy.get("event_types"), errors)


def check_template(at: Location, target: dict[str, Any], event_types: object, errors: Errors) -> None:
    """Checks the template of one target; `event_types` as a policy names them, None for all."""
    if target.get("payload_format") != "Template" or not isinstance(target.get("template"), str):
        return
    if error := _error(target, _named(event_types)):
        errors.add((*at, "template"), error)


def _named(names: object) -> list[EventType]:
    if not isinstance(names, list):
        return [kind for kind in EventType if kind in IN_ALL]
    return [kind for name in names if isinstance(name, str) and (kind := parse_event_type(name))]


def _error(target: dict[str, Any], kinds: list[EventType]) -> str:
    """What is wrong with a template, for the first event that it fails on; "" when nothing is."""
    source, content_type = target["template"], target.get("template_content_type", JSON_TYPE)
    try:
        template.compiled(source)
    except TemplateFailed as exc:
        return str(exc)
    for kind in kinds:
        for event in samples_of(kind):
            try:
                template.encode(event, _CONTEXT, source, str(content_type))
            except TemplateFailed as exc:
                return f"{exc} (tried with a sample of {kind})"
    return ""
