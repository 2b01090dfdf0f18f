"""docs/operations.md has every metric and every log event, and none that is not there any more."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from prometheus_client.metrics import MetricWrapperBase

from sidecar.app.logs import _REPEATED
from sidecar.app.metrics import Metrics

ROOT: Final = Path(__file__).parents[1]
OPERATIONS: Final = ROOT / "docs" / "operations.md"
SOURCES: Final = sorted((ROOT / "sidecar").rglob("*.py"))

#: Method of a logger => the level that its line has.
LEVELS: Final = {
    **{level: level for level in ("debug", "info", "warning", "error", "critical")},
    "exception": "error",
}
_EVENT: Final = re.compile(r"[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*")


def logging_calls(source: str) -> Iterator[tuple[str, ast.Call]]:
    """Method and call, of all that are named like a level and say something, whatever the logger is called."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Attribute(attr=method), args=[_, *_]) if method in LEVELS:
                yield method, node


def event_of(call: ast.Call) -> str:
    """The name that is written there; anything else could not be listed."""
    match call.args[0]:
        case ast.Constant(value=str(name)) if _EVENT.fullmatch(name):
            return name
    raise ValueError(f"not a constant noun.past_verb: {ast.unparse(call)}")


def logged() -> dict[str, set[str]]:
    """Event => its levels, in all of sidecar/."""
    found: dict[str, set[str]] = {}
    for path in SOURCES:
        for method, call in logging_calls(path.read_text()):
            found.setdefault(event_of(call), set()).add(LEVELS[method])
    return found


def rows_below(heading: str) -> list[list[str]]:
    """The cells of the table's rows in a section of the document."""
    _, _, section = OPERATIONS.read_text().partition(f"\n## {heading}\n")
    assert section, f"no section {heading}"
    lines = section.partition("\n## ")[0].splitlines()
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("| `")
    ]


def exposed() -> dict[str, tuple[str, frozenset[str]]]:
    """Metric => its type and labels, of a process with everything switched on."""
    metrics = Metrics()
    metrics.watch(**{name: lambda: 0.0 for name in inspect.signature(metrics.watch).parameters})
    families = {}
    for collector in metrics.registry._collector_to_names:
        assert isinstance(collector, MetricWrapperBase)
        for family in collector.describe():
            name = f"{family.name}_total" if family.type == "counter" else family.name
            families[name] = family.type, frozenset(collector._labelnames)
    return families


def test_every_metric_is_listed_with_its_type_and_labels() -> None:
    listed = {
        name.strip("`"): (kind, frozenset(re.findall(r"`([a-z_]+)`", labels)))
        for name, kind, labels, _meaning, _advice in rows_below("Metrics")
    }
    assert listed == exposed()


def test_metrics_are_made_in_one_place() -> None:
    users = {path.name for path in SOURCES if re.search(r"(from|import) prometheus_client", path.read_text())}
    assert users == {"metrics.py"}


def test_every_log_event_is_listed_with_its_levels() -> None:
    listed = {
        name.strip("`"): set(levels.removesuffix(", once a minute").split(", "))
        for name, levels, _meaning, _advice in rows_below("Log events")
    }
    assert listed == logged()


def test_lines_that_come_once_a_minute_are_said_to() -> None:
    listed = {name.strip("`") for name, levels, *_ in rows_below("Log events") if "once a minute" in levels}
    assert listed == _REPEATED


def test_no_event_or_metric_is_listed_twice_or_without_meaning_and_advice() -> None:
    for heading in ("Metrics", "Log events"):
        names = [row[0] for row in rows_below(heading)]
        assert sorted(names) == names, "in alphabetical order"
        assert len(set(names)) == len(names)
        assert all(all(row[-2:]) for row in rows_below(heading))


def test_a_name_that_is_put_together_is_noticed() -> None:
    source = 'log.info("a.was_b", c=1)\nself._log.exception(f"a.{b}")\nlog.error("No name")\ntask.exception()'
    plain, composed, sentence = logging_calls(source)
    assert (plain[0], event_of(plain[1])) == ("info", "a.was_b")
    for method, call in (composed, sentence):
        assert LEVELS[method] == "error"
        with pytest.raises(ValueError, match="not a constant"):
            event_of(call)
