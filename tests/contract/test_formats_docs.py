"""docs/events.md shows what is sent, and leads to every schema and example."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from sidecar.formats import default, template
from sidecar.formats.samples import sample_of, samples_of
from sidecar.formats.sandbox import Sandbox
from sidecar.model.event import EventType
from tests.contract.test_formats_schemas import EXAMPLE_FILES, NAMES, SCHEMAS
from tests.unit.config.conftest import Load, load_text
from tests.unit.formats.samples import CONTEXT

PAGE = (Path(__file__).parents[2] / "docs" / "events.md").read_text()


def test_each_example_on_the_page_is_a_published_one() -> None:
    published = [json.loads((SCHEMAS / "examples" / name).read_text()) for name in EXAMPLE_FILES]
    shown = re.findall(r"```json\n(.*?)\n```", PAGE, re.DOTALL)
    assert shown
    assert all(json.loads(example) in published for example in shown)


def test_the_page_leads_to_every_schema_and_example() -> None:
    for name in NAMES:
        assert f"(../schemas/{name})" in PAGE
    for name in EXAMPLE_FILES:
        assert f"(../schemas/examples/{name})" in PAGE


def test_the_page_names_every_event_in_every_spelling() -> None:
    for kind in EventType:
        assert f"`{kind}`" in PAGE
        assert f"`{kind.harbor2}`" in PAGE


__all__ = ["load_text"]  # a fixture
PRESETS = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(address:.*?)\n```", PAGE, re.DOTALL)]
_LONGEST_OF_DISCORD = 2000


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset["address"].split("/")[2])
def test_each_preset_can_be_used_for_every_event(preset: dict[str, str], load_text: Load) -> None:
    policies = [{"name": "chat", "targets": [preset]}]
    loaded = load_text(yaml.safe_dump({"projects": [{"name": "prj", "webhook_policies": policies}]}))
    (target,) = loaded.policies[0].targets
    for event in (event for kind in EventType for event in samples_of(kind)):
        made = json.loads(template.encode(event, CONTEXT, target.template, target.template_content_type).body)
        text = made.get("text") or made["content"]
        assert event.type in text
        assert event.operator in text if event.operator else "anonymous" in text


def test_preset_for_jenkins_is_the_body_without_scan(load_text: Load) -> None:
    (preset,) = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(name:.*?)\n```", PAGE, re.DOTALL)]
    loaded = load_text(yaml.safe_dump({"projects": [{"name": "prj", "webhook_policies": [preset]}]}))
    (target,) = loaded.policies[0].targets
    assert loaded.policies[0].event_types == {EventType.SCAN_COMPLETED}
    for event in samples_of(EventType.SCAN_COMPLETED):
        expected = json.loads(default.encode(event, CONTEXT).body)
        assert expected["event_data"].pop("scan")
        assert json.loads(template.encode(event, CONTEXT, target.template).body) == expected


def test_there_is_a_preset_for_each_chat_that_the_page_names() -> None:
    assert len(PRESETS) == 3


def test_message_for_discord_is_never_too_long() -> None:
    (discord,) = [preset for preset in PRESETS if "discord" in preset["address"]]
    event = replace(sample_of(EventType.IMAGE_PUSH), operator="x" * 5000)
    made = json.loads(template.encode(event, CONTEXT, discord["template"]).body)
    assert len(made["content"]) <= _LONGEST_OF_DISCORD


def test_the_page_names_every_filter() -> None:
    (listed,) = re.findall(r"Filters: (.*?)\.\n", PAGE, re.DOTALL)
    offered = {name for name in Sandbox().filters if not name.startswith(" ")} - {"d", "e"}
    assert set(re.split(r",\s+", listed)) == offered
