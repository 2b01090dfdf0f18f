from pathlib import Path

import pytest

from sidecar.policies.target import PayloadFormat
from tests.unit.config.conftest import TARGET, Errors, Load, one_target


def with_template(text: str, *, events: str = "", **more: str) -> str:
    config = one_target(payload_format="Template", template=f"'{text}'", **more)
    return config.replace("name: ci\n", f"name: ci\n        event_types: [{events}]\n") if events else config


def test_template_is_part_of_its_target(load_text: Load) -> None:
    (target,) = load_text(with_template('{"t": {{ event_type | tojson }}}')).policies[0].targets
    assert target.payload_format is PayloadFormat.TEMPLATE
    assert target.template == '{"t": {{ event_type | tojson }}}'
    assert target.template_content_type == "application/json"


def test_template_may_stand_in_a_file(load_text: Load, tmp_path: Path) -> None:
    (tmp_path / "t.j2").write_text("{{ event_type }}\n")
    text = one_target(payload_format="Template", template_file="t.j2", template_content_type="text/plain")
    loaded = load_text(text)
    assert loaded.policies[0].targets[0].template == "{{ event_type }}"
    assert loaded.files == (tmp_path / "t.j2",)


def test_error_in_a_file_names_key_line_and_sample(errors_of: Errors, tmp_path: Path) -> None:
    (tmp_path / "t.j2").write_text("{\n{{ event.tagg }}}\n")
    assert errors_of(one_target(payload_format="Template", template_file="t.j2")) == [
        f"harbor.yml: {TARGET}.template_file: line 2: there is no 'tagg' (tried with a sample of pushImage)"
    ]


def test_template_may_use_what_every_image_event_has(load_text: Load) -> None:
    text = "{{ harbor.event_data.repository.date_created }}"
    assert load_text(with_template(text, events="PUSH_ARTIFACT, PULL_ARTIFACT, DELETE_ARTIFACT")).policies


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{% if %}", "line 1: Expected an expression, got 'end of statement block'"),
        ("{{ [ }}", "line 1: unexpected '}', expected ']'"),
        ("{{ event.tag }}", "makes no valid JSON"),
        (
            "{{ event.platforms | tojson }}",
            "line 1: there is no 'platforms' (tried with a sample of pushImage)",
        ),
        ('"{{ event.username }}"', "write values as {{ x | tojson }}"),
        ('{{ "x" * 9 }}', "line 1: * is for numbers only"),
    ],
)
def test_template_that_would_fail_is_an_error(errors_of: Errors, text: str, error: str) -> None:
    (found,) = errors_of(with_template(text))
    assert found.startswith(f"harbor.yml: {TARGET}.template: ")
    assert error in found


def test_only_wanted_events_are_tried(load_text: Load, errors_of: Errors) -> None:
    template = "{{ event.chart_name | tojson }}"
    load_text(with_template(template, events="uploadChart, DELETE_CHART"))
    (found,) = errors_of(with_template(template, events="uploadChart, pushImage"))
    assert found.endswith("there is no 'chart_name' (tried with a sample of pushImage)")


def test_other_content_types_may_hold_anything(load_text: Load) -> None:
    load_text(with_template("{{ event.username }} did it", template_content_type="text/plain"))


def test_all_errors_are_named_at_once(errors_of: Errors) -> None:
    text = with_template("{{ nope }}", template_content_type="nonsense", secret="((((")
    assert len(errors_of(text)) == 3


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        (
            {"payload_format": "Template"},
            "payload_format: is Template: needs a template or template_file beside it",
        ),
        ({"template": "x"}, "template: is for payload_format Template only; remove it, or set that"),
        (
            {"template_content_type": "text/plain"},
            "template_content_type: is for payload_format Template only",
        ),
    ],
)
def test_template_and_format_belong_together(errors_of: Errors, keys: dict[str, str], error: str) -> None:
    (found,) = errors_of(one_target(**keys))
    assert found.startswith(f"harbor.yml: {TARGET}.{error}")
