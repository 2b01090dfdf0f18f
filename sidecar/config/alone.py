"""Checks one policy or one target alone: as in a whole harbor.yml, with the same messages.

For values from elsewhere, such as a policy made through an API. Keys in messages are relative to the part:
`targets[0].address`. Conflicts with other parts, such as a name that is taken, are not checked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel

from sidecar.config.build import policy_of, target_of
from sidecar.config.cross_field import check_policy_fields, check_target_fields
from sidecar.config.document import DEEPEST, HALF_A_CHARACTER, whole_text
from sidecar.config.errors import Diagnostic, Errors, Location
from sidecar.config.model import PolicySection, TargetSection
from sidecar.config.notices import about_format, notices_of
from sidecar.config.passes import leave_out_nulls, read_files, validated
from sidecar.config.secret_files import refuse_files
from sidecar.config.templates import check_template, check_templates
from sidecar.model.defaults import DEFAULT_PROJECT
from sidecar.policies.policy import WebhookPolicy
from sidecar.policies.target import Target

_NO_FOLDER: Final = Path()  # never used: no file was named
_Value = TypeVar("_Value", WebhookPolicy, Target)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked(Generic[_Value]):
    """The result of checking some values: what they mean, or every error in them."""

    value: _Value | None  #: None when there are errors
    errors: tuple[Diagnostic, ...] = ()
    notices: tuple[Diagnostic, ...] = ()  #: settings that are valid but may not do what is expected


def check_policy(
    values: object, *, project: str, default_project: str = DEFAULT_PROJECT, folder: Path | None = None
) -> Checked[WebhookPolicy]:
    """A policy of a project, from values as parsed from JSON or YAML; they are not changed.

    folder   relative names of files start here; None when the values come from somebody who may not have files of
             this machine read: naming one is then an error

    Reads files and tries templates: up to seconds. Its id is project/name, as that of a policy of harbor.yml.
    """
    errors = Errors("")
    own = _prepared(values, PolicySection, errors, folder)
    if isinstance(own, dict):
        check_policy_fields((), own, project, default_project, errors)
        check_templates(own, PolicySection, errors)
    section = validated(own, PolicySection, errors)
    if section is None or errors:
        return Checked(value=None, errors=errors.diagnostics)
    notices = tuple(notices_of(own, PolicySection, errors))
    return Checked(value=policy_of(section, project, folder or _NO_FOLDER), notices=notices)


def check_target(
    values: object, *, event_types: Sequence[str] | None = None, folder: Path | None = None
) -> Checked[Target]:
    """A target; the rest as for `check_policy`.

    event_types   of its policy, in any spelling: those that its format must support; None for all
    """
    errors, names = Errors(""), None if event_types is None else list(event_types)
    own = _prepared(values, TargetSection, errors, folder)
    if isinstance(own, dict):
        check_target_fields((), own, errors)
        check_template((), own, names, errors)
    section = validated(own, TargetSection, errors)
    if section is None or errors:
        return Checked(value=None, errors=errors.diagnostics)
    notices = [Diagnostic(errors.label(at), what) for at, what in about_format((), own, names)]
    notices += notices_of(own, TargetSection, errors)
    return Checked(value=target_of(section, folder or _NO_FOLDER), notices=tuple(notices))


def _prepared(values: object, model: type[BaseModel], errors: Errors, folder: Path | None) -> Any:
    """A copy with the contents of the files it names; of any shape."""
    own = _copied(values, (), errors)
    if isinstance(own, dict):
        leave_out_nulls(own, model)
        if folder is None:
            refuse_files(own, model, errors)
        else:
            read_files(own, model, errors, folder=folder)
    return own


def _copied(value: object, at: Location, errors: Errors) -> Any:
    """A copy of limited depth, of encodable text: what the YAML reader ensures for a file."""
    if len(at) > DEEPEST:
        errors.add(at, "is nested too deeply")
        return None
    match value:
        case dict():
            return {key: _copied(element, (*at, key), errors) for key, element in value.items()}
        case list():
            return [_copied(element, (*at, index), errors) for index, element in enumerate(value)]
        case str():
            return _whole(value, at, errors)
        case _:
            return value


def _whole(text: str, at: Location, errors: Errors) -> str:
    try:
        return whole_text(text)
    except UnicodeError:
        errors.add(at, HALF_A_CHARACTER)
        return text.encode(errors="replace").decode()
