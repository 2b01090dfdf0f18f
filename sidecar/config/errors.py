"""Collects every error: where it is, what is wrong, what to do.

No diagnostic ever contains a value that may be a secret: callers say what is wrong, not what they read.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

Location = tuple[str | int, ...]  #: keys and list positions from the top of harbor.yml

_LONGEST_KEY = 80


def key_text(location: Location) -> str:
    """`projects[0].webhook_policies[0].name`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part[:_LONGEST_KEY]}" for part in location)
    return "".join(parts).removeprefix(".")


def _printable(text: str) -> str:
    """One line, whatever characters a key has."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text
    )


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One error or notice about a configuration; as text, one line."""

    where: str  #: file and key, or a name of the environment; for a part checked alone, the key in it
    what: str  #: never contains a value

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.where, self.what)))


class Errors:
    """Every error found so far; knows which values came from the environment.

    file_name   prefix of each location; "" for a part that is in no file
    """

    def __init__(self, file_name: str) -> None:
        self._file_name = file_name
        self._found: dict[Diagnostic, None] = {}  # ordered, without repetition
        self.environment_names: dict[Location, str] = {}
        self.read_from: dict[Location, Location] = {}  #: a secret => the *_file key it was read by

    def __bool__(self) -> bool:
        return bool(self._found)

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        return tuple(self._found)

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(map(str, self._found))

    def add(self, location: Location, what: str) -> None:
        self._add(self.label(location), what)

    def add_for(self, name: str, what: str) -> None:
        """An error in a variable of the environment."""
        self._add(name, what)

    def add_in_file(self, what: str) -> None:
        self._add(self._file_name, what)

    def _add(self, where: str, what: str) -> None:
        self._found[Diagnostic(_printable(where), _printable(what))] = None

    def label(self, location: Location) -> str:
        """The location as the user knows it: a key of the file, or a variable of the environment."""
        location = self.read_from.get(location, location)
        for end in range(len(location), 0, -1):
            if name := self.environment_names.get(location[:end]):
                return ": ".join(filter(None, (name, key_text(location[end:]))))
        return ": ".join(filter(None, (self._file_name, key_text(location))))

    def add_validation(self, error: ValidationError, model: type[BaseModel]) -> None:
        for detail in error.errors(include_url=False, include_input=False):
            self.add(detail["loc"], _what(detail["type"], detail["loc"], detail.get("ctx", {}), model))


_MESSAGES: dict[str, Callable[[dict[str, Any]], str]] = {
    "string_type": lambda _: "must be text; put it in quotes",
    "bool_type": lambda _: "must be true or false",
    "int_type": lambda _: "must be a whole number",
    "int_from_float": lambda _: "must be a whole number",
    "float_type": lambda _: "must be a number",
    "finite_number": lambda _: "must be a finite number",
    "list_type": lambda _: "must be a list",
    "model_type": lambda _: "must hold keys and values",
    "string_too_short": lambda _: "must not be empty",
    "too_short": lambda _: "must not be empty",
    "greater_than": lambda ctx: f"must be greater than {ctx['gt']:g}",
    "greater_than_equal": lambda ctx: f"must be at least {ctx['ge']:g}",
    "less_than_equal": lambda ctx: f"must be at most {ctx['le']:g}",
    "literal_error": lambda ctx: f"must be {str(ctx['expected']).replace(chr(39), '')}",
    "value_error": lambda ctx: str(ctx["error"]),
}


def _what(kind: str, location: Location, context: dict[str, Any], model: type[BaseModel]) -> str:
    section = model_at(model, location[:-1])
    if kind == "missing":
        meaning = section.model_fields[str(location[-1])].description if section else None
        return f"is missing; add it ({meaning})" if meaning else "is missing; add it"
    if kind == "extra_forbidden":
        return f"unknown key{did_you_mean(str(location[-1]), section.model_fields if section else ())}"
    message = _MESSAGES.get(kind)
    return message(context) if message else "is not valid"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` (did you mean x?)`, or "" when no known word is similar."""
    spellings = {name.lower(): name for name in known}
    near = get_close_matches(word.lower(), spellings, n=1)
    return f" (did you mean {spellings[near[0]]}?)" if near else ""


def model_at(model: type[BaseModel] | None, location: Location) -> type[BaseModel] | None:
    """The model that a section of harbor.yml has, None where there is none."""
    for part in location:
        if model is None:
            return None
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        model = nested_model(field.annotation) if field else None
    return model


def nested_model(annotation: Any) -> type[BaseModel] | None:
    """The model inside `M`, `M | None` or `list[M]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := nested_model(part))), None)


def sections(
    values: dict[str, Any], model: type[BaseModel], at: Location = ()
) -> Iterator[tuple[Location, dict[str, Any], type[BaseModel]]]:
    """Every mapping of the file that has a model, outermost first; values of the wrong shape are skipped."""
    yield at, values, model
    for name, field in model.model_fields.items():
        inner = nested_model(field.annotation)
        if inner is None:
            continue
        for location, value in _candidates(values.get(name), (*at, name)):
            if isinstance(value, dict):
                yield from sections(value, inner, location)


def _candidates(value: Any, at: Location) -> Iterator[tuple[Location, Any]]:
    if isinstance(value, list):
        yield from (((*at, index), element) for index, element in enumerate(value))
    else:
        yield at, value
