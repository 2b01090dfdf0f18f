"""Values from the environment, which override those of the file.

`SIDECAR_` and the path of a key in capitals, two underscores between levels, list positions as
numbers: SIDECAR_PROJECTS__0__PUBLIC. Text is taken literally, everything else is parsed as YAML.
Two of Harbor's own names are honoured too; a SIDECAR_ name overrides them.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, get_args, get_origin

from pydantic import BaseModel

from sidecar.config.document import parse_value
from sidecar.config.errors import Errors, Location, did_you_mean, nested_model

PREFIX: Final = "SIDECAR_"
CONFIG_PATH: Final = "SIDECAR_CONFIG"  #: which file to read; not a setting
HARBOR_NAMES: Final[Mapping[str, Location]] = {
    "JOBSERVICE_WEBHOOK_JOB_MAX_RETRY": ("notification", "webhook_job_max_retry"),
    "JOBSERVICE_WEBHOOK_JOB_HTTP_CLIENT_TIMEOUT": ("notification", "webhook_job_http_client_timeout"),
}
#: What Kubernetes sets in every container beside a Service named sidecar or sidecar-something, and the
#: value where the name alone could be a typing error.
_OF_KUBERNETES = re.compile(
    r"SIDECAR_(?:[A-Z0-9_]+_)?(?:SERVICE_HOST=|SERVICE_PORT(?:_[A-Z0-9_]+)?="
    r"|PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?=|PORT=(?:tcp|udp|sctp)://)"
)


def environment_name(location: Location) -> str:
    """The name that sets a key of harbor.yml."""
    return PREFIX + "__".join(str(part).upper() for part in location)


def _is_setting(name: str, value: str) -> bool:
    return name.startswith(PREFIX) and name != CONFIG_PATH and not _OF_KUBERNETES.match(f"{name}={value}")


def _in_list_order(name: str) -> list[tuple[int, str]]:
    return [(int(part) if _is_position(part) else -1, part) for part in name.split("__")]


def _is_position(part: str) -> bool:
    return part.isascii() and part.isdecimal() and len(part) < 5


def lay_over(
    values: dict[str, Any], environ: Mapping[str, str], model: type[BaseModel], errors: Errors
) -> None:
    """Sets every value of the environment in `values`."""
    overlay = _Overlay(values, model, errors)
    for name, location in HARBOR_NAMES.items():
        if name in environ:
            overlay.put(name, environ[name], setting=environment_name(location))
    settings = (name for name, value in environ.items() if _is_setting(name, value))
    for name in sorted(settings, key=_in_list_order):
        overlay.put(name, environ[name], setting=name)


class _Overlay:
    def __init__(self, values: dict[str, Any], model: type[BaseModel], errors: Errors) -> None:
        self._values = values
        self._model = model
        self._errors = errors

    def put(self, name: str, text: str, *, setting: str) -> None:
        found = key_of(setting, self._model)
        if found is None:
            self._errors.add_for(name, f"unknown setting{self._near(name)}")
            return
        location, annotation = found
        try:
            # Empty means unset: Kubernetes passes a missing optional value as an empty one.
            value = text if text and is_text(annotation) else parse_value(text)
            mapping = insert(self._values, location, value)
        except ValueError as exc:
            self._errors.add_for(name, str(exc))
            return
        if value is not None:
            self._drop_sibling(mapping, location)
        self._errors.environment_names[location] = name

    def _drop_sibling(self, mapping: Any, location: Location) -> None:
        """A secret of the environment replaces the file's `x_file`, and vice versa."""
        key = str(location[-1])
        sibling = key.removesuffix("_file") if key.endswith("_file") else f"{key}_file"
        if isinstance(mapping, dict) and (*location[:-1], sibling) not in self._errors.environment_names:
            mapping.pop(sibling, None)

    def _near(self, name: str) -> str:
        known = (environment_name(location) for location in keys(self._model))
        return did_you_mean(re.sub(r"__[0-9]+(?=__|$)", "__0", name), known)


def key_of(name: str, model: type[BaseModel]) -> tuple[Location, Any] | None:
    """The key that a name sets, with its type; None when there is no such key."""
    location: list[str | int] = []
    annotation: Any = model
    for part in name.removeprefix(PREFIX).split("__"):
        element = list_element(annotation)
        if element is not None and _is_position(part):
            location.append(int(part))
            annotation = element
            continue
        below = _keys_below(annotation) if element is None else {}
        if part not in below:
            return None
        key, annotation = below[part]
        location.append(key)
    return tuple(location), annotation


def _keys_below(annotation: Any) -> dict[str, tuple[str, Any]]:
    """Environment spelling => key and type, {} for anything but a section."""
    model = nested_model(annotation)
    fields = model.model_fields if model else {}
    return {name.upper(): (name, field.annotation) for name, field in fields.items()}


def keys(model: type[BaseModel], at: Location = ()) -> Iterator[Location]:
    """Every key of harbor.yml that holds a value; 0 stands for any list position."""
    for name, field in model.model_fields.items():
        element = list_element(field.annotation)
        inner = nested_model(field.annotation)
        if inner is None:
            yield (*at, name)
        else:
            yield from keys(inner, (*at, name) if element is None else (*at, name, 0))


def list_element(annotation: Any) -> Any:
    """The type inside `list[T]` or `list[T] | None`, None for anything but a list."""
    if get_origin(annotation) is list:
        return get_args(annotation)[0]
    return next((found for part in get_args(annotation) if (found := list_element(part)) is not None), None)


def is_text(annotation: Any) -> bool:
    if get_origin(annotation) in {list, dict}:
        return False
    if get_origin(annotation) is Literal:
        return True
    return annotation is str or any(is_text(part) for part in get_args(annotation))


def insert(container: Any, location: Location, value: Any) -> Any:
    """Sets a value, creating missing containers above it; returns the container that has it now."""
    part, *below = location
    _check_position(container, part)
    if isinstance(container, list) and part == len(container):
        container.append(None)
    if not below:
        container[part] = value
        return container
    current = container[part] if isinstance(part, int) else container.get(part)
    if current is None:
        current = container[part] = [] if isinstance(below[0], int) else {}
    return insert(current, tuple(below), value)


def _check_position(container: Any, part: str | int) -> None:
    if not isinstance(container, list if isinstance(part, int) else dict):
        raise ValueError("cannot be set, because the file has something else in its place")  # noqa: TRY004 - a user's error
    if isinstance(part, int) and part > len(container):
        raise ValueError(f"position {part} leaves a gap; the next free one is {len(container)}")
