import pytest
from pydantic import BaseModel

from sidecar.config.errors import Errors, did_you_mean, key_text, model_at, nested_model, sections


class Inner(BaseModel):
    name: str


class Outer(BaseModel):
    one: Inner | None = None
    many: list[Inner] = []


@pytest.mark.parametrize(
    ("location", "text"),
    [
        ((), ""),
        (("a",), "a"),
        (("a", 0, "b"), "a[0].b"),
        (("a" * 100,), "a" * 80),
    ],
)
def test_key_text(location: tuple[str | int, ...], text: str) -> None:
    assert key_text(location) == text


def test_a_line_stays_a_line_and_is_said_once() -> None:
    errors = Errors("harbor.yml")
    errors.add(("a\nb\x1b",), "is wrong")
    errors.add(("a\nb\x1b",), "is wrong")
    assert errors.lines == ("harbor.yml: a\\nb\\x1b: is wrong",)


def test_places_carry_the_name_they_came_by() -> None:
    errors = Errors("harbor.yml")
    errors.environment_names["a",] = "SIDECAR_A"
    errors.read_from["b", "secret"] = ("b", "secret_file")
    assert errors.label(("a",)) == "SIDECAR_A"
    assert errors.label(("a", 1, "x")) == "SIDECAR_A: [1].x"
    assert errors.label(("b", "secret")) == "harbor.yml: b.secret_file"
    assert not errors


def test_did_you_mean() -> None:
    assert did_you_mean("TARGETZ", ["targets", "name"]) == " (did you mean targets?)"
    assert did_you_mean("zzz", ["targets"]) == ""


def test_models_are_found_in_their_places() -> None:
    assert nested_model(int) is None
    assert nested_model(list[Inner] | None) is Inner
    assert model_at(Outer, ("many", 3)) is Inner
    assert model_at(Outer, ("none", "x")) is None


def test_sections_pass_over_wrong_shapes() -> None:
    values = {"one": 5, "many": [{"name": "x"}, 5]}
    assert [at for at, _, _ in sections(values, Outer)] == [(), ("many", 0)]
