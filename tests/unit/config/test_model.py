from typing import get_args

import pytest

from sidecar.config.model import HarborYml, TargetSection
from sidecar.policies.target import EventNames, PayloadFormat, TargetType
from tests.unit.config.conftest import Errors


@pytest.mark.parametrize(
    ("key", "values"), [("type", TargetType), ("payload_format", PayloadFormat), ("event_names", EventNames)]
)
def test_choices_are_those_of_the_nouns(
    key: str, values: type[TargetType | PayloadFormat | EventNames]
) -> None:
    assert list(get_args(TargetSection.model_fields[key].annotation)) == [str(value) for value in values]


def test_every_required_key_has_a_meaning() -> None:
    def required(model: type) -> list[str]:
        fields = model.model_fields  # type: ignore[attr-defined]
        return [name for name, field in fields.items() if field.is_required() and not field.description]

    assert required(HarborYml) == []
    assert required(TargetSection) == []


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("workers: '2'", "workers: must be a whole number"),
        ("workers: 1.5", "workers: must be a whole number"),
        ("workers: true", "workers: must be a whole number"),
        ("workers: 0", "workers: must be at least 1"),
        ("workers: 65", "workers: must be at most 64"),
        ("strict: 1", "strict: must be true or false"),
        ("strict: 'yes'", "strict: must be true or false"),
        ("data_volume: 5", "data_volume: must be text; put it in quotes"),
        ("harbor_admin_password: 12345", "harbor_admin_password: must be text; put it in quotes"),
        ("harbor_admin_password: ''", "harbor_admin_password: must not be empty"),
        ("log: []", "log: must hold keys and values"),
        ("log: {level: loud}", "log.level: must be debug, info, warning, error or fatal"),
        ("projects: {}", "projects: must be a list"),
        ("look_up_timeout_s: 0", "look_up_timeout_s: must be greater than 0"),
        ("look_up_timeout_s: x", "look_up_timeout_s: must be a number"),
        ("look_up_timeout_s: .nan", "look_up_timeout_s: must be a finite number"),
        ("notification: {retry_waits_s: []}", "notification.retry_waits_s: must not be empty"),
        ("limits: {client_memory: 1MiB}", "limits.client_memory: must be a size from 16MiB to 64GiB, as 256MiB"),
        ("limits: {client_memory: much}", "limits.client_memory: must be a size from 16MiB to 64GiB, as 256MiB"),
        ("limits: {head_timeout_s: 0}", "limits.head_timeout_s: must be greater than 0"),
        ('harbor_admin_password: "\\ud800"', "line 4: holds half of a character (\\ud800 to \\udfff come in twos); write the other half"),
        ("chart_repository: {}", "chart_repository.url: is missing; add it (where it listens, as http://127.0.0.1:5001)"),
        ("egress: {deny_cidrs: [x]}", "egress.deny_cidrs[0]: must be an address or a network, as 10.0.0.0/8 (host bits zero)"),
        ("projects: [{name: a/b}]", "projects[0].name: must be the first part of repository names, without a slash, or *"),
    ],
)  # fmt: skip
def test_wrong_values_say_what_is_expected(errors_of: Errors, text: str, error: str) -> None:
    assert errors_of(text) == [f"harbor.yml: {error}"]
