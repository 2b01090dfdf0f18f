"""Steps on plain values, of a whole harbor.yml or of a part, before the other checks."""

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from sidecar.config.errors import Errors, sections
from sidecar.config.secret_files import read_header_files, read_secret_files
from sidecar.config.tls_files import check_tls_files

_Section = TypeVar("_Section", bound=BaseModel)


def leave_out_nulls(values: dict[str, Any], model: type[BaseModel]) -> None:
    """`key:` without a value counts as a missing key; an unknown key stays, to be reported."""
    for _, mapping, kind in sections(values, model):
        for name in kind.model_fields:
            if name in mapping and mapping[name] is None:
                del mapping[name]


def read_files(values: dict[str, Any], model: type[BaseModel], errors: Errors, *, folder: Path) -> list[Path]:
    """Replaces names of files by their contents; returns the files named, relative to the folder."""
    return [
        *read_secret_files(values, model, errors, folder=folder),
        *read_header_files(values, model, errors, folder=folder),
        *check_tls_files(values, model, errors, folder=folder),
    ]


def validated(values: object, model: type[_Section], errors: Errors) -> _Section | None:
    """The values as their model; None, with every error added, when they do not fit."""
    try:
        return model.model_validate(values)
    except ValidationError as exc:
        errors.add_validation(exc, model)
        return None
