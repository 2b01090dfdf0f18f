"""The published schemas and examples are true: whatever we send fits them, and they allow no more."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator

from sidecar.event import Event, EventType
from sidecar.formats import FormatContext, Payload, cloudevents, default, documented
from sidecar.formats.fanout import deliveries_for
from sidecar.policy import ALL_PROJECTS, EventNames, PayloadFormat, Target, WebhookPolicy
from tests.contract.example_events import CONTEXT, EXAMPLES
from tests.unit.formats.samples import an_event, contexts, events

SCHEMAS = Path(__file__).parents[2] / "schemas"
FORMATS = ("documented", "default", "cloudevents")
NAMES = [path.relative_to(SCHEMAS) for form in FORMATS for path in sorted((SCHEMAS / form).glob("*.json"))]


def schema(name: Path) -> dict[str, Any]:
    document = json.loads((SCHEMAS / name).read_text())
    assert isinstance(document, dict)
    return document


VALIDATORS = {
    name: Draft202012Validator(schema(name), format_checker=Draft202012Validator.FORMAT_CHECKER)
    for name in NAMES
}


def payloads(event: Event, context: FormatContext) -> dict[Path, Payload]:
    """What is sent for an event in each format, by the name of its schema."""
    in_cloudevents = cloudevents.encode(event, context)
    return {
        Path("documented", f"{event.type}.json"): documented.encode(event, context),
        Path("default", f"{event.type.harbor2}.json"): default.encode(event, context),
        Path("cloudevents", f"{json.loads(in_cloudevents.body)['type']}.json"): in_cloudevents,
    }


def test_there_is_a_schema_per_event_and_format() -> None:
    needed = {name for event in EXAMPLES.values() for name in payloads(event, CONTEXT)}
    assert needed == set(NAMES)


@pytest.mark.parametrize("name", NAMES, ids=str)
def test_schema_is_valid_and_closed(name: Path) -> None:
    Draft202012Validator.check_schema(schema(name))
    assert not open_objects(schema(name))


def open_objects(node: Any) -> list[Any]:
    if isinstance(node, list):
        return [found for entry in node for found in open_objects(entry)]
    if not isinstance(node, dict):
        return []
    here = [node] if node.get("type") == "object" and node.get("additionalProperties") is not False else []
    return here + [found for entry in node.values() for found in open_objects(entry)]


@given(events(), contexts())
def test_whatever_is_sent_fits_its_schema(event: Event, context: FormatContext) -> None:
    for target_format in set(PayloadFormat) - {PayloadFormat.TEMPLATE}:
        target = Target(address="http://localhost/", payload_format=target_format)
        policy = WebhookPolicy(id="prj/ci", project=ALL_PROJECTS, name="ci", targets=(target,))
        (delivery,) = deliveries_for(event, [policy], lambda _: context, event.occurred_at)
        (name,) = [name for name in payloads(event, context) if name.parts[0] == target_format.lower()]
        VALIDATORS[name].validate(json.loads(delivery.body))


@pytest.mark.parametrize("kind", list(EXAMPLES))
def test_older_type_names_fit_too(kind: EventType) -> None:
    payload = default.encode(EXAMPLES[kind], CONTEXT, EventNames.HARBOR1)
    VALIDATORS[Path("default", f"{kind.harbor2}.json")].validate(json.loads(payload.body))


@pytest.mark.parametrize("kind", list(EXAMPLES))
def test_examples_are_what_is_sent(kind: EventType) -> None:
    for name, payload in payloads(EXAMPLES[kind], CONTEXT).items():
        published = (SCHEMAS / "examples" / name).read_text()
        assert json.loads(published) == json.loads(payload.body)
        VALIDATORS[name].validate(json.loads(published))


def test_no_example_is_left_over() -> None:
    examples = (SCHEMAS / "examples").rglob("*.json")
    assert {path.relative_to(SCHEMAS / "examples") for path in examples} == set(NAMES)


@pytest.mark.parametrize("name", NAMES, ids=str)
def test_schema_refuses_a_missing_and_an_unknown_key(name: Path) -> None:
    example = json.loads((SCHEMAS / "examples" / name).read_text())
    assert not VALIDATORS[name].is_valid(example | {"event_id": "x"})
    for key in schema(name)["required"]:
        assert not VALIDATORS[name].is_valid({kept: example[kept] for kept in example if kept != key})


def test_rejected_layer_and_anonymous_pull_fit() -> None:
    layer = an_event(EventType.QUOTA_EXCEED, digest="", tag="", operator="")
    pull = an_event(EventType.IMAGE_PULL, operator="", tag="", request_id="")
    for event in (layer, pull):
        for name, payload in payloads(event, CONTEXT).items():
            VALIDATORS[name].validate(json.loads(payload.body))
