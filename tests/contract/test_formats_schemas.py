"""The published schemas and examples are true: whatever we send fits them, and they allow no more."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator

from sidecar.formats import (
    FormatContext,
    NotEncodable,
    cdevents,
    cloudevents,
    default,
    documented,
    slack,
    teams,
)
from sidecar.formats.fanout import deliveries_for
from sidecar.formats.samples import samples_of
from sidecar.model.delivery import Payload
from sidecar.model.event import Chart, Event, EventType
from sidecar.model.names import Repository
from sidecar.policies.policy import ALL_PROJECTS, WebhookPolicy
from sidecar.policies.target import EventNames, PayloadFormat, Target, TargetType
from tests.contract.example_events import CONTEXT, EXAMPLES
from tests.unit.formats.samples import an_event, contexts, events

SCHEMAS = Path(__file__).parents[2] / "schemas"
FORMATS = ("documented", "default", "cloudevents", "cdevents", "slack", "teams")
#: Formats that have one schema for all events.
SHARED = {"slack": "message.json", "teams": "message.json", "cdevents": "event.json"}
NAMES = [path.relative_to(SCHEMAS) for form in FORMATS for path in sorted((SCHEMAS / form).glob("*.json"))]
EXAMPLE_FILES = sorted(
    path.relative_to(SCHEMAS / "examples") for path in (SCHEMAS / "examples").rglob("*.json")
)


def schema(name: Path) -> dict[str, Any]:
    document = json.loads((SCHEMAS / name).read_text())
    assert isinstance(document, dict)
    return document


VALIDATORS = {
    name: Draft202012Validator(schema(name), format_checker=Draft202012Validator.FORMAT_CHECKER)
    for name in NAMES
}


def schema_of(example: Path) -> Path:
    """The schema that an example fits."""
    return example.with_name(SHARED.get(example.parts[0], example.name))


def payloads(event: Event, context: FormatContext) -> dict[Path, Payload]:
    """What is sent for an event in each format, by the name of its example."""
    in_cloudevents = cloudevents.encode(event, context)
    made = {
        Path("documented", f"{event.type}.json"): documented.encode(event, context),
        Path("default", f"{event.type.harbor2}.json"): default.encode(event, context),
        Path("cloudevents", f"{json.loads(in_cloudevents.body)['type']}.json"): in_cloudevents,
        Path("slack", f"{event.type}.json"): slack.encode(event, context),
        Path("teams", f"{event.type}.json"): teams.encode(event, context),
    }
    with suppress(NotEncodable):  # of scans and quotas, and of a chart without a name
        made[Path("cdevents", f"{event.type}.json")] = cdevents.encode(event, context)
    return made


def test_there_is_an_example_per_event_and_format_and_none_is_left_over() -> None:
    assert set(EXAMPLES) == set(EventType)
    needed = [name for event in EXAMPLES.values() for name in payloads(event, CONTEXT)]
    assert sorted(needed) == EXAMPLE_FILES


def test_there_is_a_schema_per_example_and_none_is_left_over() -> None:
    assert set(map(schema_of, EXAMPLE_FILES)) == set(NAMES)


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


TARGETS = {
    **{
        str(form).lower(): Target(address="http://localhost/", payload_format=form)
        for form in set(PayloadFormat) - {PayloadFormat.TEMPLATE}
    },
    **{
        str(kind): Target(address="http://localhost/", type=kind)
        for kind in set(TargetType) - {TargetType.HTTP}
    },
}


POLICY = WebhookPolicy(id="prj/ci", project=ALL_PROJECTS, name="ci", event_types=frozenset(EventType))


def test_every_format_is_held() -> None:
    assert set(TARGETS) == set(FORMATS)


@given(events(), contexts())
def test_whatever_is_sent_fits_its_schema(event: Event, context: FormatContext) -> None:
    policy = replace(POLICY, targets=tuple(TARGETS.values()))
    deliveries = deliveries_for(event, [policy], lambda _: context, event.occurred_at)
    names = list(TARGETS)
    sent = {names[delivery.position]: delivery for delivery in deliveries}
    for name in payloads(event, context):
        VALIDATORS[schema_of(name)].validate(json.loads(sent[name.parts[0]].body))


@pytest.mark.parametrize("kind", list(EventType))
def test_samples_fit_too(kind: EventType) -> None:
    context = replace(CONTEXT, repository_created_at=None)
    for event in samples_of(kind):
        for name, payload in payloads(event, context).items():
            VALIDATORS[schema_of(name)].validate(json.loads(payload.body))


@pytest.mark.parametrize("repository", [Repository("prj", "", "prj"), Repository("library", "", "")])
def test_upload_of_a_chart_that_nobody_could_read_fits_too(repository: Repository) -> None:
    unnamed = Chart(name="", version="", type="", size_bytes=None)
    usual = samples_of(EventType.CHART_PUSH)[0]
    event = replace(usual, repository=repository, tag="", tags=(), chart=unnamed)
    for name, payload in payloads(event, CONTEXT).items():
        VALIDATORS[schema_of(name)].validate(json.loads(payload.body))


@pytest.mark.parametrize(
    ("repository", "known"),
    [
        pytest.param(Repository("prj", "", "prj"), False, id="not read"),
        pytest.param(Repository("library", "", ""), False, id="not read, no tenants"),
        pytest.param(Repository("prj", "web", "prj/web"), True, id="read"),
    ],
)
def test_refused_chart_fits(repository: Repository, *, known: bool) -> None:
    chart = samples_of(EventType.CHART_PUSH)[0] if known else None
    event = replace(
        samples_of(EventType.QUOTA_EXCEED)[0],
        repository=repository,
        digest="",
        tag=chart.tag if chart else "",
        tags=chart.tags if chart else (),
        chart=chart.chart if chart else None,
    )
    for name, payload in payloads(event, CONTEXT).items():
        VALIDATORS[schema_of(name)].validate(json.loads(payload.body))


def test_of_a_refused_chart_all_is_told_or_nothing() -> None:
    name = Path("documented", "projectQuota.json")
    chart = samples_of(EventType.QUOTA_EXCEED)[-1]
    document = json.loads(payloads(chart, CONTEXT)[name].body)
    for key in ("chart_name", "chart_type", "version", "chart_size"):
        (contents,) = document["events"]
        without = {kept: contents[kept] for kept in contents if kept != key}
        assert not VALIDATORS[name].is_valid(document | {"events": [without]})


@pytest.mark.parametrize("kind", list(EXAMPLES))
def test_older_type_names_fit_too(kind: EventType) -> None:
    payload = default.encode(EXAMPLES[kind], CONTEXT, EventNames.HARBOR1)
    VALIDATORS[Path("default", f"{kind.harbor2}.json")].validate(json.loads(payload.body))


@pytest.mark.parametrize("kind", list(EXAMPLES))
def test_examples_are_what_is_sent(kind: EventType) -> None:
    for name, payload in payloads(EXAMPLES[kind], CONTEXT).items():
        published = (SCHEMAS / "examples" / name).read_text()
        assert json.loads(published) == json.loads(payload.body)
        VALIDATORS[schema_of(name)].validate(json.loads(published))


@pytest.mark.parametrize("name", EXAMPLE_FILES, ids=str)
def test_schema_refuses_a_missing_and_an_unknown_key(name: Path) -> None:
    example = json.loads((SCHEMAS / "examples" / name).read_text())
    validator = VALIDATORS[schema_of(name)]
    for what, changed in changes(example):
        assert not validator.is_valid(changed), what


#: What some events of a type lack; which, the descriptions in the schemas say.
OPTIONAL = re.compile(
    r"events\.platforms|requestid|(event_)?data\.(resources(\.(digest|tag))?|repository\.date_created)|"
    r".*\.summary\.summary\..*|data\.subject\.content\.user"
)


def changes(node: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Documents with one key too many, or one too few, at every place."""
    if isinstance(node, list):
        for index, entry in enumerate(node):
            for what, changed in changes(entry, place):
                yield what, [*node[:index], changed, *node[index + 1 :]]
    if isinstance(node, dict):
        yield f"{place} with an unknown key", node | {"event_id": "x"}
        for key, value in node.items():
            path = f"{place}.{key}".removeprefix(".")
            if not OPTIONAL.fullmatch(path):
                yield f"without {path}", {kept: node[kept] for kept in node if kept != key}
            for what, changed in changes(value, path):
                yield what, node | {key: changed}


def test_rejected_layer_and_anonymous_pull_fit() -> None:
    layer = an_event(EventType.QUOTA_EXCEED, digest="", tag="", operator="")
    pull = an_event(EventType.IMAGE_PULL, operator="", tag="", request_id="")
    for event in (layer, pull):
        for name, payload in payloads(event, CONTEXT).items():
            VALIDATORS[schema_of(name)].validate(json.loads(payload.body))


def test_a_deleted_tag_of_an_unknown_manifest_fits() -> None:
    event = an_event(EventType.IMAGE_DELETE, digest="", size_bytes=None)
    for name, payload in payloads(event, CONTEXT).items():
        VALIDATORS[schema_of(name)].validate(json.loads(payload.body))
