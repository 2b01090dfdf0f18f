"""harbor.yml.example and docs/configuration.md say what the model says: the same keys, defaults, names."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from sidecar.config import load
from sidecar.config.changes import RESTART
from sidecar.config.environment import environment_name, keys
from sidecar.config.errors import Location, model_at
from sidecar.config.model import HarborYml
from sidecar.config.notices import NOT_IN_EFFECT

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "harbor.yml.example"
REFERENCE = ROOT / "docs" / "configuration.md"
KEYS = list(keys(HarborYml))


def _everything_switched_on() -> Any:
    """`#key: value` without a space is a key that is switched off."""
    return yaml.safe_load(re.sub(r"(?m)^( *)#(?=[a-z-])", r"\1", EXAMPLE.read_text()))


def _keys_of(value: Any, at: Location = ()) -> set[Location]:
    if isinstance(value, list) and any(isinstance(element, dict) for element in value):
        return set().union(*(_keys_of(element, (*at, 0)) for element in value))
    if isinstance(value, dict) and at not in KEYS:  # a mapping with names of the user's own is one key
        return set().union(*(_keys_of(inner, (*at, key)) for key, inner in value.items()))
    return {at}


def _default(location: Location) -> str:
    section = model_at(HarborYml, location[:-1])
    assert section
    field = section.model_fields[str(location[-1])]
    if field.is_required():
        return "required"
    return "" if field.default is None else f"`{json.dumps(field.default)}`"


def _text(location: Location) -> str:
    return "".join("[]" if isinstance(part, int) else f".{part}" for part in location)[1:]


def _rows() -> list[list[str]]:
    lines = REFERENCE.read_text().splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")]


def test_the_example_can_be_used_as_it_is() -> None:
    loaded = load(EXAMPLE, {})
    assert [policy.id for policy in loaded.policies] == ["prj/ci", "*/audit"]
    assert loaded.notices == ()


def test_the_example_shows_every_key_and_no_other() -> None:
    assert _keys_of(_everything_switched_on()) == set(KEYS)


def test_what_the_example_switches_off_is_right_too() -> None:
    HarborYml.model_validate(_everything_switched_on())


def test_the_reference_lists_every_key_with_name_default_and_restart() -> None:
    restart = set(RESTART.values())
    expected = [
        [
            f"`{_text(key)}`",
            f"`{environment_name(key)}`",
            _default(key),
            "yes" if _text(key) in restart else "",
        ]
        for key in KEYS
    ]
    assert [[key, name, default, needs] for key, name, default, _, needs in _rows()] == expected


def test_the_reference_gives_every_key_a_meaning_and_says_what_has_no_effect() -> None:
    for location, (key, _, _, meaning, _) in zip(KEYS, _rows(), strict=True):
        assert meaning, key
        names = tuple(part for part in location if isinstance(part, str))
        if names in NOT_IN_EFFECT:
            assert "not in effect in this version" in meaning, key
