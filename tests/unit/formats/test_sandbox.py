"""No template reaches Python, runs long or grows large."""

from time import process_time
from typing import Final

import pytest

from sidecar.formats import TemplateFailed, template
from tests.unit.formats.samples import CONTEXT, an_event

_FOR: Final = "{% for x in event.digest %}"
_END: Final = "{% endfor %}"
_LONG: Final = "{% set n = namespace(s=event.tags | join) %}"


def outcome_of(source: str) -> str:
    event = an_event(tags=tuple(f"v{number}" for number in range(1000)))
    try:
        return template.encode(event, CONTEXT, source, "text/plain").body.decode()
    except TemplateFailed as exc:
        return f"failed: {exc}"


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ event.__class__ }}",
        "{{ event.get.__globals__ }}",
        "{{ namespace.__init__.__globals__ }}",
        "{{ event_type.encode }}{{ event_type.encode() }}",
        "{{ event.tag.format_map({}) }}",
        "{{ '{0.__class__}'.format(event) }}",
        "{{ event | attr('__class__') }}",
        "{{ [event] | map(attribute='__class__') | join }}",
        "{{ [event] | sort(attribute='__class__.__name__') }}",
        "{{ [event] | sum(attribute='__class__') }}",
        "{{ self.__init__ }}",
        "{{ event.update({'tag': 'x'}) }}",
        "{{ event.tags.append('x') }}",
        "{{ event.tags.sort() }}",
        "{% include 'x' %}",
        "{% import 'x' as y %}",
        "{% from 'x' import y %}",
        "{% extends 'x' %}",
        "{% macro m() %}{% endmacro %}",
        "{% block b %}{% endblock %}",
        "{% filter upper %}x{% endfilter %}",
        "{% set x %}y{% endset %}",
        "{% for x in event.tags recursive %}{{ loop([x]) }}{% endfor %}",
        "{{ range(9) }}",
        "{{ cycler }}",
        "{{ lipsum() }}",
        "{{ 2 ** 9 }}",
    ],
)
def test_what_is_no_business_of_a_template_fails(source: str) -> None:
    assert outcome_of(source).startswith("failed: line 1: ")


@pytest.mark.parametrize(
    "source",
    [
        _FOR * 6 + _END * 6,
        "{% for x in event.tags %}" * 3 + _END * 3,
        "{% set n = namespace(s='ab') %}" + _FOR + "{% set n.s = n.s ~ n.s %}" + _END,
        "{% set n = namespace(s='ab') %}" + _FOR + "{% set n.s = n.s + n.s %}" + _END,
        "{% set n = namespace(s=[1]) %}" + _FOR + "{% set n.s = n.s + n.s %}" + _END,
        "{% set n = namespace(s=[1]) %}" + _FOR + "{% set n.s = [n.s, n.s] %}" + _END + "{{ n.s | tojson }}",
        "{% set n = namespace(s=[1]) %}" + _FOR + "{% set n.s = {1: n.s, 2: n.s} %}" + _END,
        "{% set n = namespace(s=[1]) %}" + _FOR + "{% set n.s = (n.s, n.s) %}" + _END,
        "{% set n = namespace(s='aa') %}" + _FOR + "{% set n.s = n.s | replace('a', n.s) %}" + _END,
        "{% set n = namespace(s='aa') %}" + _FOR + "{% set n.s = n.s | join(n.s) %}" + _END,
        "{% set n = namespace(s=9) %}" + _FOR + "{% set n.s = n.s * n.s %}" + _END + "{{ n.s }}",
        "{{ 'a' * 1000000000 }}",
        "{{ [1] * 1000000000 }}",
        "{{ '%1000000000s' % 1 }}",
        "{{ '{:1000000000}'.format(1) }}",
        "{{ 'a'.ljust(1000000000) }}",
        "{{ 'a'.zfill(1000000000) }}",
        "{{ ('a' | center(1000000000)) }}",
        "{{ 'a' | indent(1000000000) }}",
        "{% set n = namespace() %}{% set n.n = n %}",
        "{% set n = namespace() %}{{ [n] }}",
        "{{ event.tags | tojson }}" * 200,
        "{% for x in event.tags %}{{ event.tags | join }}{% endfor %}",
        "{{ 1 | round(-1000000) }}",
        "{{ 1 | round(1000000, 'ceil') }}",
        "{{ [1] | map('round', precision=-1000000) | first }}",
        _LONG + _FOR * 2 + "{% if n.s.upper() == n.s %}{% endif %}" + _END * 2,
    ],
)
def test_no_template_runs_long_or_grows_large(source: str) -> None:
    began = process_time()
    assert outcome_of(source).startswith("failed: ")
    assert process_time() - began < 2


@pytest.mark.parametrize(
    ("source", "made"), [("2.567 | round(2)", "2.57"), ("1234 | round(-2, 'floor')", "1200.0")]
)
def test_numbers_are_rounded(source: str, made: str) -> None:
    assert outcome_of("{{ " + source + " }}") == made


def test_ordinary_work_is_within_the_budget() -> None:
    every_tag = "[{% for tag in event.tags %}{{ {'t': tag, 'n': loop.index} | tojson }},{% endfor %}null]"
    assert outcome_of(every_tag).count('"t"') == 1000
