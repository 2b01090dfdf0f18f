import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.formats import FormatContext, TemplateFailed, default, documented, template
from sidecar.formats.samples import samples_of
from sidecar.model.event import Event, EventType
from sidecar.model.scan import Severity, Vulnerability, most_severe
from tests.unit.formats.samples import CONTEXT, an_event, contexts, events


def text_of(source: str, event: Event | None = None) -> str:
    return template.encode(event or an_event(), CONTEXT, source, "text/plain").body.decode()


def failure_of(source: str, event: Event | None = None, content_type: str = "text/plain") -> str:
    with pytest.raises(TemplateFailed) as caught:
        template.encode(event or an_event(), CONTEXT, source, content_type)
    return str(caught.value)


# What a template knows


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ event_type }} {{ event_type_harbor2 }}", "pushImage PUSH_ARTIFACT"),
        ("{{ event_id }}", "4b2f89a6-548d-4c12-9993-a1f5790b97d2"),
        ("{{ occurred_at }}", "2026-01-02T03:04:05.678Z"),
        ("{{ event.full_name }}:{{ event.tag }}", "prj/app:v1"),
        ("{{ harbor.event_data.resources[0].resource_url }}", "registry.example.com/prj/app:v1"),
        ("{{ (event.tag ~ '-' ~ 1) | tojson }}", '"v1-1"'),
        ("{{ {'a': [1, event.tags], 'b': none} | tojson }}", '{"a":[1,["v1"]],"b":null}'),
        ("{% for tag in event.tags %}{{ loop.index }}{{ tag }}{% endfor %}", "1v1"),
        ("{% if event_type == 'pushImage' %}x{% else %}y{% endif %}", "x"),
        ("{{ event.platforms | default([]) | join(', ') }}", ""),
        ("{{ event.platforms is defined }}", "False"),
        (
            "{% set n = namespace(s='') %}{% for t in [1, 2] %}{% set n.s = n.s ~ t %}{% endfor %}{{ n.s }}",
            "12",
        ),
        ("{{ event.full_name.split('/')[1].upper() }}", "APP"),
        ("{{ event.get('platforms', 'none') }}", "none"),
        (
            "{% for key, value in event.items() %}{% if loop.first %}{{ key }}{% endif %}{% endfor %}",
            "project",
        ),
        ("{{ '<&>' | e }} {{ '<&>' }}", "&lt;&amp;&gt; <&>"),
        ("{{ ['b', 'a'] | sort | map('upper') | join('+') }}", "A+B"),
        (
            "{{ 52428800 | filesizeformat(true) }} {{ 7 * 2 + 1 }} {{ 7 % 2 }} {{ 'a' + 'b' }}",
            "50.0 MiB 15 1 ab",
        ),
    ],
)
def test_names_and_language(source: str, expected: str) -> None:
    assert text_of(source) == expected


@given(events(), contexts())
def test_the_whole_body_of_other_formats_can_be_made(event: Event, context: FormatContext) -> None:
    made = json.loads(template.encode(event, context, "[{{ event | tojson }}, {{ harbor | tojson }}]").body)
    (contents,) = json.loads(documented.encode(event, context).body)["events"]
    assert made == [contents, json.loads(default.encode(event, context).body)]


def test_the_largest_and_most_hostile_report_is_no_harder() -> None:
    link = f"https://{'<' * 500}"
    worst = Vulnerability(
        id="<" * 500, severity=Severity.LOW, description="<" * 500, links=(link,), fix_url=link
    )
    scan = an_event(EventType.SCAN_COMPLETED).scan
    assert scan
    scan = replace(scan, vulnerabilities=most_severe([worst] * 10_000))
    event = an_event(EventType.SCAN_COMPLETED, scan=scan)
    made = template.encode(event, CONTEXT, "[{{ event | tojson }}, {{ harbor | tojson }}]")
    assert len(json.loads(made.body)[0]["vulnerabilities"]) > 20
    loop = "{% for v in event.vulnerabilities %}{{ v.cve_id }} {{ v.link }}\n{% endfor %}"
    assert text_of(loop, event).count("\n") > 20


@given(st.text())
def test_tojson_makes_json_of_any_text(operator: str) -> None:
    made = template.encode(an_event(operator=operator), CONTEXT, '{"user": {{ event.username | tojson }}}')
    expected = operator.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert json.loads(made.body) == {"user": expected} or any("\ud800" <= c <= "\udfff" for c in operator)


def test_content_type_is_the_targets() -> None:
    assert template.encode(an_event(), CONTEXT, "x", "text/plain; charset=utf-8").content_type.startswith(
        "text/"
    )


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("application/json", True),
        ("application/json; charset=utf-8", True),
        ("application/vnd.x+JSON", True),
        ("text/plain", False),
    ],
)
def test_which_content_types_are_json(content_type: str, *, expected: bool) -> None:
    assert template.is_json(content_type) is expected


# What goes wrong, and where


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("a\n{{ event.tagg }}", "line 2: there is no 'tagg'"),
        ("{{ evnt.tag }}", "line 1: 'evnt' is undefined"),
        ("\n\n{% for x in %}", "line 3: "),
        ("{{ event.tag | upcase }}", "line 1: No filter named 'upcase'."),
        ("{{ event.tag", "line 1: "),
        ("{{ 1 / 0 }}", "line 1: division by zero"),
        ("{{ event.tag + 1 }}", "line 1: + joins text with text only; use ~"),
        ("{{ nobody() }}", "line 1: 'nobody' is undefined"),
    ],
)
def test_error_is_named_with_its_line(source: str, reason: str) -> None:
    assert failure_of(source).startswith(reason)


@pytest.mark.parametrize("made", ["{", "{{ nothing }}"[:1], '{"a": NaN}', "[" * 5000, '{"a": 1,}'])
def test_what_is_no_json_fails_where_json_was_promised(made: str) -> None:
    assert "JSON" in failure_of(made, content_type="application/json")


def test_quote_in_a_name_does_not_break_out_of_json() -> None:
    event = an_event(operator='x", "admin": "yes')
    assert "tojson" in failure_of('{"user": "{{ event.username }}"', event, "application/json")


def test_long_template_is_refused() -> None:
    assert failure_of("x" * 40_000) == "is longer than 32 KiB"


def test_template_is_compiled_once() -> None:
    source = "{{ event.tag }} compiled once"
    for _ in range(3):
        text_of(source)
    assert template.compiled(source) is template.compiled(source)


def test_deeply_nested_template_is_refused() -> None:
    assert "nested" in failure_of("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}")


@given(st.text("{}%- \nabxeventag.|()[]'\"~+*/0123456789", max_size=80))
def test_any_text_is_a_template_or_an_error(source: str) -> None:
    for event in samples_of(EventType.IMAGE_PUSH):
        try:
            template.encode(event, CONTEXT, source)
        except TemplateFailed as exc:
            assert str(exc)  # noqa: PT017


def test_reason_is_one_line_without_python() -> None:
    for source in ("{{ event.tag.format }}", "{{ event.tag.format() }}", "{{ ''.__class__ }}"):
        outcome: Any = None
        try:
            outcome = text_of(source)
        except TemplateFailed as exc:
            outcome = str(exc)
        assert " at 0x" not in outcome or source == "{{ event.tag.format }}"


def test_a_number_of_thousands_of_digits_is_an_error_of_the_template() -> None:
    assert failure_of("{{ " + 5000 * "1" + " }}").startswith("cannot be read: Exceeds the limit")


def test_a_character_written_in_halves_as_json_does_is_one() -> None:
    assert text_of(r'{{ "\ud83d\ude80" }} {{ "\ud83d" ~ "\ude80" }}') == "\N{ROCKET} \N{ROCKET}"
    assert json.loads(text_of(r'{{ "\ud83d\ude80" | tojson }}')) == "\N{ROCKET}"
