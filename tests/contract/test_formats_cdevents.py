"""What is sent in CDEvents fits the schemas that CDEvents publishes (tests/golden/README.md)."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from sidecar.formats import FormatContext, cdevents
from sidecar.formats.samples import samples_of
from sidecar.model.event import Event, EventType
from tests.contract.example_events import CONTEXT, EXAMPLES
from tests.unit.formats.samples import an_event, contexts, events

Json = dict[str, Any]
GOLDEN = Path(__file__).parents[1] / "golden" / "cdevents"
TYPES = [kind for kind in EventType if kind not in cdevents.UNSUPPORTED]
CONFORMANCE = sorted((GOLDEN / "conformance").glob("*.json"))


def _published() -> Iterator[Json]:
    for path in sorted((GOLDEN / "schemas").rglob("*.json")):
        yield json.loads(path.read_text())


def _validators() -> dict[str, Draft202012Validator]:
    """By the type of the event."""
    schemas = list(_published())
    registry: Registry[Any] = Registry().with_resources(
        (schema["$id"], Resource.from_contents(schema)) for schema in schemas
    )
    found = {}
    for schema in schemas:
        if "context" in schema.get("properties", {}):  # the others are parts
            (kind,) = schema["properties"]["context"]["properties"]["type"]["enum"]
            found[kind] = Draft202012Validator(
                schema, registry=registry, format_checker=Draft202012Validator.FORMAT_CHECKER
            )
    return found


VALIDATORS = _validators()


def check(event: Event, context: FormatContext) -> Json:
    cdevent: Json = json.loads(cdevents.encode(event, context).body)["data"]
    VALIDATORS[cdevent["context"]["type"]].validate(cdevent)
    assert datetime.fromisoformat(cdevent["context"]["timestamp"]) == event.occurred_at
    return cdevent


def test_there_is_a_schema_for_each_type_that_is_sent_and_none_is_left_over() -> None:
    sent = {check(an_event(kind), CONTEXT)["context"]["type"] for kind in TYPES}
    assert sent == set(VALIDATORS)


@pytest.mark.parametrize("path", CONFORMANCE, ids=lambda path: path.stem)
def test_schemas_take_their_own_examples_with_links_and_refuse_what_is_odd(path: Path) -> None:
    theirs = json.loads(path.read_text())
    validator = VALIDATORS[theirs["context"]["type"]]
    validator.validate(theirs)
    assert not validator.is_valid(theirs | {"subject": theirs["subject"] | {"content": {"username": "x"}}})
    assert not validator.is_valid(theirs | {"context": theirs["context"] | {"links": [{"linkType": "PATH"}]}})


@pytest.mark.parametrize("kind", TYPES)
def test_keys_are_those_of_the_examples(kind: EventType) -> None:
    ours = check(EXAMPLES[kind], CONTEXT)
    (theirs,) = (
        example
        for example in (json.loads(path.read_text()) for path in CONFORMANCE)
        if example["context"]["type"] == ours["context"]["type"]
    )
    assert ours["context"]["specversion"] == theirs["context"]["specversion"]
    for part in ("context", "subject"):
        assert ours[part].keys() <= theirs[part].keys()
    assert ours["subject"]["content"].keys() <= theirs["subject"]["content"].keys()


@given(events(*TYPES), contexts())
def test_whatever_is_sent_fits(event: Event, context: FormatContext) -> None:
    check(event, context)


@pytest.mark.parametrize("kind", TYPES)
def test_samples_fit(kind: EventType) -> None:
    for event in samples_of(kind):
        check(event, CONTEXT)
        check(replace(event, digest=""), CONTEXT)
        check(replace(event, operator="jürgen 🚀 \ud800"), CONTEXT)
