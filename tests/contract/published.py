"""What is published under schemas/, as far as it follows from something else.

    python -m tests.contract.published        writes it, test_formats_published holds it

An example is what the program sends for an event of `example_events`. Title, description and type of a schema
come from the table of event types. An event whose payloads say what those of another say (`LIKE`) has that one's
schemas. In CloudEvents, what is Default's contents is the `data`. The rest of each schema is written by hand: it is
never taken from what the program sends.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from sidecar.model.event import EventType
from tests.contract.example_events import CONTEXT, EXAMPLES
from tests.contract.test_formats_schemas import SCHEMAS, payloads

#: Whose schemas are another's, under their own names.
LIKE: Final = {
    EventType.IMAGE_PULL: EventType.IMAGE_PUSH,
    EventType.CHART_DELETE: EventType.CHART_PULL,
}

Schema = dict[str, Any]


def published() -> Iterator[tuple[Path, Schema]]:
    """Each file below schemas/ and what it must be."""
    for kind, event in EXAMPLES.items():
        yield Path("documented", f"{kind}.json"), documented_schema(kind)
        yield Path("default", f"{kind.harbor2}.json"), default_schema(kind)
        yield Path("cloudevents", f"{kind.about.cloudevents}.json"), cloudevents_schema(kind)
        for name, payload in payloads(event, CONTEXT).items():
            yield Path("examples", name), json.loads(payload.body)


def documented_schema(kind: EventType) -> Schema:
    schema = _read("documented", LIKE.get(kind, kind))
    _name(schema, kind, f"{kind}, Documented", "As printed on Harbor's webhook page.")
    schema["properties"]["event_type"] = {"const": str(kind)}
    return schema


def default_schema(kind: EventType) -> Schema:
    schema = _read("default", LIKE.get(kind, kind).harbor2)
    what = "As Harbor sends it; the older spelling of the type is an option of the target."
    _name(schema, kind, f"{kind.harbor2}, Default", what)
    schema["properties"]["type"] = {"enum": [kind.harbor2, str(kind)]}
    return schema


def cloudevents_schema(kind: EventType) -> Schema:
    """The envelope, which stands in the schema of a push, around Default's contents."""
    schema, contents = _read("cloudevents", EventType.IMAGE_PUSH.about.cloudevents), default_schema(kind)
    _name(schema, kind, f"{kind.about.cloudevents}, CloudEvents", "CloudEvents 1.0, structured mode.")
    properties = schema["properties"]
    properties["type"] = {"const": kind.about.cloudevents}
    properties["data"] = contents["properties"]["event_data"]
    properties["operator"] = contents["properties"]["operator"]
    return schema | ({"$defs": contents["$defs"]} if "$defs" in contents else {})


def _read(form: str, name: str) -> Schema:
    schema = json.loads((SCHEMAS / form / f"{name}.json").read_text())
    assert isinstance(schema, dict)
    return schema


def _name(schema: Schema, kind: EventType, title: str, what: str) -> None:
    schema["title"] = title
    schema["description"] = f"{kind.about.page}: {kind.about.meaning}. {what}"


def text_of(document: Schema) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name, document in list(published()):
        (SCHEMAS / name).parent.mkdir(exist_ok=True)  # of a new format
        (SCHEMAS / name).write_text(text_of(document))
