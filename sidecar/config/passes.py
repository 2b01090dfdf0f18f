"""What is done with plain values, of a whole harbor.yml or of a part, before rules and templates look at them."""

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from sidecar.config.errors import Errors, sections
from sidecar.config.secret_files import read_header_files, read_secret_files
from sidecar.config.tls_files import check_tls_files

_Section = TypeVar("_Section", bound=BaseModel)


def leave_out_nulls(values: dict[str, Any], model: type[BaseModel]) -> None:
    """`key:` with nothing behind it is a key left out; an unknown one stays unknown."""
    for _, mapping, kind in sections(values, model):
        for name in kind.model_fields:
            if name in mapping and mapping[name] is None:
                del mapping[name]


def read_files(values: dict[str, Any], model: type[BaseModel], errors: Errors, *, folder: Path) -> list[Path]:
    """Puts what files hold in its place; answers which files were named, relative ones below the folder."""
    return [
        *read_secret_files(values, model, errors, folder=folder),
        *read_header_files(values, model, errors, folder=folder),
        *check_tls_files(values, model, errors, folder=folder),
    ]


def validated(values: object, model: type[_Section], errors: Errors) -> _Section | None:
    """The values in their model; None, with every error named, when they do not fit."""
    try:
        return model.model_validate(values)
    except ValidationError as exc:
        errors.add_validation(exc, model)
        return None
