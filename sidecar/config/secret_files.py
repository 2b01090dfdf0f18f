"""Secrets in files of their own: `x_file` instead of `x`.

The content of the file becomes the value of `x`, and is checked there.
"""

from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from sidecar.config.errors import Errors, Location, sections

_SUFFIX: Final = "_file"
_VALUE_FILE: Final = "value_file"
_LARGEST_SECRET_BYTES: Final = 64 * 1024
_FOR_HARBOR_YML: Final = "names a file, which harbor.yml alone may do"


def read_secret_files(
    values: dict[str, Any], model: type[BaseModel], errors: Errors, *, folder: Path
) -> list[Path]:
    """Sets the secrets from their files; returns the files named."""
    paths = []
    for at, mapping, kind in sections(values, model):
        for key in secret_keys(kind):
            name = mapping.get(key + _SUFFIX)
            if isinstance(name, str) and name.isprintable():
                paths.append(folder / name)
                _put(mapping, (*at, key), paths[-1], errors)
    return paths


def secret_keys(model: type[BaseModel]) -> list[str]:
    """Keys of a section that are secrets: those that may be read from a file."""
    return [name for name in model.model_fields if name + _SUFFIX in model.model_fields]


def _put(mapping: dict[str, Any], location: Location, path: Path, errors: Errors) -> None:
    key = str(location[-1])
    file_location = (*location[:-1], key + _SUFFIX)
    if mapping.get(key) is not None:
        errors.add(file_location, f"stands beside {key}; remove one of the two")
        return
    try:
        mapping[key] = _contents(path)
    except ValueError as exc:
        errors.add(file_location, str(exc))
    else:
        errors.read_from[location] = file_location


def _contents(path: Path) -> str:
    """The content of the file, without one trailing newline."""
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_SECRET_BYTES + 1)
    except OSError as exc:
        raise ValueError(f"{path} cannot be read: {exc.strerror}") from None
    if len(content) > _LARGEST_SECRET_BYTES:
        raise ValueError(f"{path} is larger than {_LARGEST_SECRET_BYTES >> 10} KiB")
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise ValueError(f"{path} is empty")
    return text


def refuse_files(values: dict[str, Any], model: type[BaseModel], errors: Errors) -> None:
    """Adds an error for every key that names a file: the values are from somebody who may not have files read."""
    for at, mapping, kind in sections(values, model):
        for key in mapping:
            if key.endswith(_SUFFIX) and key in kind.model_fields:
                errors.add((*at, key), _FOR_HARBOR_YML)
        headers = _headers(mapping, kind)
        for name in [name for name, value in headers.items() if isinstance(value, dict)]:
            errors.add((*at, "headers", name), _FOR_HARBOR_YML)
            del headers[name]


def _headers(mapping: dict[str, Any], kind: type[BaseModel]) -> dict[str, Any]:
    """The headers of a target; none for any other section, or for a value of the wrong shape."""
    headers = mapping.get("headers") if "headers" in kind.model_fields else None
    return headers if isinstance(headers, dict) else {}


def read_header_files(
    values: dict[str, Any], model: type[BaseModel], errors: Errors, *, folder: Path
) -> list[Path]:
    """Replaces `{value_file: path}` among a target's headers by the content of the file; returns the files."""
    paths = []
    for at, mapping, kind in sections(values, model):
        headers = _headers(mapping, kind)
        for name, value in tuple(headers.items()):
            if isinstance(value, dict):
                paths += _put_header(headers, name, (*at, "headers", name), errors, folder)
    return paths


def _put_header(
    headers: dict[str, Any], name: str, location: Location, errors: Errors, folder: Path
) -> list[Path]:
    value = headers.pop(name)
    path = value.get(_VALUE_FILE)
    if len(value) != 1 or not isinstance(path, str) or not path.isprintable():
        errors.add(location, f"must be text, or a mapping with one key, {_VALUE_FILE}: a path")
        return []
    file_location = (*location, _VALUE_FILE)
    try:
        headers[name] = _contents(folder / path)
    except ValueError as exc:
        errors.add(file_location, str(exc))
    else:
        errors.read_from[location] = file_location
    return [folder / path]
