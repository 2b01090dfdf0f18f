"""Scalars as ChartMuseum 0.16.3 stored them when they were a chart's name; and the bounds."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yaml import YAMLError

from sidecar.charts.goyaml import Text, read_strings
from sidecar.model.errors import NotUnderstood


def name_in(document: str) -> str | None:
    found = read_strings(document.encode()).get("name")
    return found.value if found else None


@pytest.mark.parametrize(
    ("scalar", "stored"),
    [
        ("1e3", "1000"),
        ("0x10", "16"),
        (".5", "0.5"),
        ("1.20241125", "1.2024113"),
        ("yes", "true"),
        ("N", "false"),
        ("off", "false"),
        ("0x1F", "31"),
        ("0x_1F", "31"),
        ("1_000", "1000"),
        ("-0b101", "-5"),
        ("0o17", "15"),
        ("017", "15"),
        ("09", "9"),
        ("+5", "5"),
        ("1.10", "1.1"),
        ("2.0", "2"),
        ("1._5", "1.5"),
        ("._5", "._5"),
        ("1:30", "1:30"),
        ("2001-01-01", "2001-01-01"),
        ("1234567.5", "1.2345675e+06"),
        ("123456.0", "123456"),
        ("0.00001", "1e-05"),
        ("1e999", "1e999"),
        ("3.4e39", "+Inf"),
        (".inf", "+Inf"),
        ("-.INF", "-Inf"),
        (".nan", "NaN"),
        ("18446744073709551615", "18446744073709551615"),
        ("18446744073709551616", "1.8446744e+19"),
        ("'yes'", "yes"),
        ('! "yes"', "yes"),
        ("!!str yes", "yes"),
        ("!!float 3", "3"),
        ('!!int "3"', "3"),
        ("!foo bar", "bar"),
        ("!!binary Zm9v", "foo"),
        ("!!binary /w==", "\ufffd"),
        ("<<", "<<"),
        ("~", None),
        ("", None),
        ("[a]", None),
        ("{a: b}", None),
    ],
)
def test_scalar_is_the_string_that_go_makes_of_it(scalar: str, stored: str | None) -> None:
    assert name_in(f"name: {scalar}\n") == stored


@pytest.mark.parametrize(
    ("document", "name"),
    [
        ("x: &x {name: merged}\n<<: *x", "merged"),
        ("name: own\n<<: {name: merged}", "merged"),
        ("<<: {name: merged}\nname: own", "own"),
        ("<<: [{name: first}, {name: second}]", "first"),
        ("<<: {<<: {name: deep}}", "deep"),
        ("a: &a app\nname: *a", "app"),
        ("a: {b: &b app}\nname: *b", "app"),
        ("name: old\nname: new", "new"),
        ("!!binary bmFtZQ==: app", "app"),
        ("--- \nname: app\n---\nname: other", "app"),
        ("{name: app}", "app"),
        ("name: *nowhere", None),
        ("- name: app", None),
        ("? [a, b]\n: name\nname: app", "app"),
    ],
)
def test_mapping_is_what_go_makes_of_it(document: str, name: str | None) -> None:
    assert name_in(document) == name


def test_keys_are_scalars_too() -> None:
    assert read_strings(b"yes: a\n1e3: b\n") == {
        "true": Text("a", is_plain=True),
        "1000": Text("b", is_plain=True),
    }


@pytest.mark.parametrize(
    "document",
    [
        "%TAG !a! tag:x,2000:\n" * 17 + "---\nname: app",
        "name: app\nx: " + "[" * 2000,
        "name: app\nx: [" + "a," * 300_000,
        "name: !!binary '*'",
        "a0: &a0 {name: x}\n"
        + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 30))
        + "<<: *a29",
    ],
    ids=["directives", "depth", "size", "base64", "merges"],
)
def test_beyond_the_bounds_nothing_is_understood(document: str) -> None:
    with pytest.raises(NotUnderstood):
        read_strings(document.encode())


def test_aliases_cost_nothing_however_often_they_are_used() -> None:
    laughs = ["a0: &a0 [ha]"] + [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert name_in("\n".join(["name: app", *laughs])) == "app"


@given(st.text("name:version \n-[]{}&*!|>'\"#%@`,?~0.\t<", max_size=200))
def test_random_yaml_raises_nothing_else(document: str) -> None:
    with suppress(NotUnderstood, YAMLError):
        read_strings(document.encode())
