"""What harbor.yml leaves out has one value, wherever it is used."""

import ast
from collections.abc import Iterator
from dataclasses import MISSING, fields
from inspect import get_annotations
from pathlib import Path

import pytest

from sidecar.app import wiring
from sidecar.config import Settings, load
from sidecar.config.settings import ChartUpstreamSettings, Events, Notification
from sidecar.dispatcher.dispatcher import DispatcherSettings
from sidecar.proxy.interface import ProxySettings
from sidecar.recording.recorder import RecorderSettings

ROOT = Path(__file__).parents[3] / "sidecar"
MINIMAL = "hostname: registry.example.com\nregistry: {url: 'http://127.0.0.1:5001'}\n"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    path = tmp_path / "harbor.yml"
    path.write_text(MINIMAL)
    return load(path, {})


def test_stages_that_are_told_nothing_do_what_an_empty_harbor_yml_means(settings: Settings) -> None:
    proxy = wiring.proxy_settings(settings)
    assert proxy == ProxySettings(registry_url=settings.registry.url)
    recorder = wiring.recorder_settings(settings)
    assert recorder == RecorderSettings(hostname=settings.hostname, external_url=settings.external_url)
    dispatcher = wiring.dispatcher_settings(settings)
    assert dispatcher == DispatcherSettings(egress=settings.egress)


@pytest.mark.parametrize("section", [Notification, Events, ChartUpstreamSettings])
def test_what_harbor_yml_says_has_no_second_default(
    section: type[Notification | Events | ChartUpstreamSettings],
) -> None:
    own = get_annotations(section)
    assert not [field.name for field in fields(section) if field.name in own and field.default is not MISSING]


def wired() -> Iterator[tuple[str, str]]:
    """Classes that the stages are given, with the fields that are filled with what harbor.yml says."""
    for node in ast.walk(ast.parse((ROOT / "app" / "wiring.py").read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id[0].isupper():
            yield from ((node.func.id, keyword.arg) for keyword in node.keywords if keyword.arg)


def literals(source: str, filled: set[tuple[str, str]]) -> list[str]:
    """Fields with a number, a text or a list of such as their default, written out."""
    return [
        f"{node.name}.{field.target.id}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ClassDef)
        for field in node.body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and field.value
        if (node.name, field.target.id) in filled
        if any(
            isinstance(part, ast.Constant) and part.value and not isinstance(part.value, bool)
            for part in ast.walk(field.value)
        )
    ]


def test_no_default_of_harbor_yml_is_written_out_in_a_stage() -> None:
    filled = set(wired())
    assert ("ProxySettings", "connect_timeout_s") in filled
    assert ("Holds", "pull") in filled
    assert not [name for path in ROOT.rglob("*.py") for name in literals(path.read_text(), filled)]


def test_default_that_is_written_out_is_found() -> None:
    source = "class Stage:\n    wait_s: float = 5.0\n    own_s: float = 5.0\n    text: str = ''\n    other: float = OTHER\n"
    filled = {("Stage", name) for name in ("wait_s", "text", "other")}
    assert literals(source, filled) == ["Stage.wait_s"]
    assert literals("class Stage:\n    waits: X = field(default=(1, 2))\n", {("Stage", "waits")}) == [
        "Stage.waits"
    ]
