"""Checks a harbor.yml, one policy, or one target, with the same messages for all three."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sidecar import config
from sidecar.config import Checked, Settings
from sidecar.model.errors import ConfigError
from sidecar.policies.policy import WebhookPolicy
from sidecar.policies.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedConfiguration:
    """What a harbor.yml means, or every error in it."""

    settings: Settings | None  #: None when there are errors
    errors: tuple[str, ...] = ()  #: one line each

    @property
    def notices(self) -> tuple[str, ...]:
        """Settings that are valid but may not do what is expected."""
        return self.settings.notices if self.settings else ()


def check_configuration(path: Path, environ: Mapping[str, str]) -> CheckedConfiguration:
    """What a harbor.yml means with that environment. Blocks on files and templates."""
    try:
        return CheckedConfiguration(settings=config.load(path, environ))
    except ConfigError as exc:
        return CheckedConfiguration(settings=None, errors=exc.errors)


def check_policy(settings: Settings, project: str, values: object) -> Checked[WebhookPolicy]:
    """A policy proposed for a project, as parsed from JSON.

    It may not name files of this machine. Whether its name is taken is not checked. Blocks on templates.
    """
    return config.check_policy(values, project=project, default_project=settings.events.default_project)


def check_target(values: object, event_types: Sequence[str] | None = None) -> Checked[Target]:
    """A proposed target, as `check_policy`; `event_types` are those of its policy, None for all."""
    return config.check_target(values, event_types=event_types)
