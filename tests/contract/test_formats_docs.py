"""docs/events.md shows what is sent, and leads to every schema and example."""

import json
import re
from pathlib import Path

from sidecar.event import EventType
from tests.contract.test_formats_schemas import NAMES, SCHEMAS

PAGE = (Path(__file__).parents[2] / "docs" / "events.md").read_text()
OFFERED = {kind for kind in EventType if not kind.startswith("scanning")}


def test_each_example_on_the_page_is_a_published_one() -> None:
    published = [json.loads((SCHEMAS / "examples" / name).read_text()) for name in NAMES]
    shown = re.findall(r"```json\n(.*?)\n```", PAGE, re.DOTALL)
    assert shown
    assert all(json.loads(example) in published for example in shown)


def test_the_page_leads_to_every_schema_and_example() -> None:
    for name in NAMES:
        assert f"(../schemas/{name})" in PAGE
        assert f"(../schemas/examples/{name})" in PAGE


def test_the_page_names_every_event_in_every_spelling() -> None:
    for kind in OFFERED:
        assert f"`{kind}`" in PAGE
        assert f"`{kind.harbor2}`" in PAGE
