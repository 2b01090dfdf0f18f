from pathlib import Path

import pytest

from sidecar.config.environment import environment_name, key_of, keys, list_element
from sidecar.config.model import HarborYml
from sidecar.model.secrets import Secret
from tests.unit.config.conftest import TARGET_ENVIRONMENT, Errors, Load, one_target


def test_every_key_is_found_by_its_name() -> None:
    for location in keys(HarborYml):
        found = key_of(environment_name(location), HarborYml)
        assert found is not None
        assert found[0] == location


def test_names_in_use() -> None:
    assert environment_name(("registry", "url")) == "SIDECAR_REGISTRY__URL"
    assert (
        environment_name(("notification", "webhook_job_max_retry"))
        == "SIDECAR_NOTIFICATION__WEBHOOK_JOB_MAX_RETRY"
    )


def test_values_of_the_environment_win(load_text: Load) -> None:
    environ = {"SIDECAR_REGISTRY__URL": "https://other", "SIDECAR_WORKERS": "3", "SIDECAR_STRICT": "true"}
    loaded = load_text("workers: 2\n", environ)
    assert (loaded.registry.url, loaded.workers, loaded.strict) == ("https://other", 3, True)


def test_text_is_taken_as_it_is(load_text: Load) -> None:
    environ = {"SIDECAR_REGISTRY__USERNAME": "true", "SIDECAR_REGISTRY__PASSWORD": "012: [x"}
    loaded = load_text(environ=environ)
    assert (loaded.registry.username, loaded.registry.password) == ("true", Secret("012: [x"))


def test_a_target_in_a_list_is_reached(load_text: Load) -> None:
    loaded = load_text(one_target(), {f"{TARGET_ENVIRONMENT}__AUTH_HEADER": "Bearer x"})
    assert loaded.policies[0].targets[0].auth_header == Secret("Bearer x")


def test_lists_grow_by_the_next_position_in_number_order(load_text: Load) -> None:
    environ = {f"SIDECAR_TRUSTED_PROXIES__{index}": f"10.0.{index}.0/24" for index in range(12)}
    loaded = load_text("trusted_proxies: []\n", environ)
    assert [str(network) for network in loaded.trusted_proxies] == list(environ.values())


def test_a_list_can_be_given_whole(load_text: Load) -> None:
    loaded = load_text(environ={"SIDECAR_EVENTS__IGNORE_USER_AGENTS": "[kube-probe/*, x]"})
    assert loaded.events.ignore_user_agents == ("kube-probe/*", "x")


def test_an_empty_value_is_left_out(load_text: Load) -> None:
    assert load_text(environ={"SIDECAR_WORKERS": "", "SIDECAR_REGISTRY__USERNAME": ""}) == load_text()


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("SIDECAR_WORKERS", "many", "SIDECAR_WORKERS: must be a whole number"),
        ("SIDECAR_WORKER", "1", "SIDECAR_WORKER: unknown setting (did you mean SIDECAR_WORKERS?)"),
        (
            "SIDECAR_PROJECTS__3__PUBLIK",
            "1",
            "SIDECAR_PROJECTS__3__PUBLIK: unknown setting (did you mean SIDECAR_PROJECTS__0__PUBLIC?)",
        ),
        ("SIDECAR_REGISTRY__0", "1", "SIDECAR_REGISTRY__0: unknown setting"),
        ("SIDECAR_", "1", "SIDECAR_: unknown setting"),
        ("SIDECAR_PORT", "5000", "SIDECAR_PORT: unknown setting"),
        ("SIDECAR_LISTEN_PORT", "5000", "SIDECAR_LISTEN_PORT: unknown setting"),
        (
            "SIDECAR_PROJECTS__1__NAME",
            "x",
            "SIDECAR_PROJECTS__1__NAME: position 1 leaves a gap; the next free one is 0",
        ),
        ("SIDECAR_HOSTNAME__X", "x", "SIDECAR_HOSTNAME__X: unknown setting (did you mean SIDECAR_HOSTNAME?)"),
        ("SIDECAR_STRICT", "[", "SIDECAR_STRICT: line 1, column 2: "),
        ("JOBSERVICE_WEBHOOK_JOB_MAX_RETRY", "x", "JOBSERVICE_WEBHOOK_JOB_MAX_RETRY: must be a whole number"),
    ],
)
def test_errors_name_the_variable(errors_of: Errors, name: str, value: str, error: str) -> None:
    (found,) = errors_of(environ={name: value})
    assert found.startswith(error)


def test_a_place_that_the_file_uses_otherwise_is_named(errors_of: Errors) -> None:
    errors = errors_of("listen: x\n", {"SIDECAR_LISTEN__PROXY": ":1"})
    assert "SIDECAR_LISTEN__PROXY: cannot be set, because the file has something else in its place" in errors


def test_harbors_own_names_are_honoured_after_ours(load_text: Load) -> None:
    environ = {
        "JOBSERVICE_WEBHOOK_JOB_MAX_RETRY": "5",
        "JOBSERVICE_WEBHOOK_JOB_HTTP_CLIENT_TIMEOUT": "7",
        "SIDECAR_NOTIFICATION__WEBHOOK_JOB_MAX_RETRY": "6",
    }
    loaded = load_text("notification: {webhook_job_max_retry: 4}\n", environ)
    assert (loaded.notification.max_retry, loaded.notification.timeout_s) == (6, 7.0)


@pytest.mark.parametrize(
    "name",
    [
        "SIDECAR_CONFIG",
        "SIDECAR_SERVICE_HOST",
        "SIDECAR_SERVICE_PORT_HTTP",
        "SIDECAR_PORT",
        "SIDECAR_PORT_5000_TCP",
        "SIDECAR_PORT_5000_TCP_ADDR",
        "SIDECAR_REGISTRY_SERVICE_HOST",
        "PATH",
    ],
)
def test_names_that_are_no_settings_are_passed_over(load_text: Load, name: str) -> None:
    """Kubernetes sets such names for every Service of the namespace."""
    assert load_text(environ={name: "tcp://10.0.0.1:5000"}) == load_text()


def test_a_secret_of_the_environment_replaces_the_file_of_the_file(load_text: Load) -> None:
    loaded = load_text(
        one_target(auth_header_file="/nowhere"), {f"{TARGET_ENVIRONMENT}__AUTH_HEADER": "Bearer x"}
    )
    assert loaded.policies[0].targets[0].auth_header == Secret("Bearer x")


def test_a_secret_file_of_the_environment_replaces_the_secret_of_the_file(
    load_text: Load, tmp_path: Path
) -> None:
    (tmp_path / "header").write_text("Bearer y\n")
    loaded = load_text(
        one_target(auth_header="Bearer x"), {f"{TARGET_ENVIRONMENT}__AUTH_HEADER_FILE": "header"}
    )
    assert loaded.policies[0].targets[0].auth_header == Secret("Bearer y")


def test_both_in_the_environment_exclude_each_other(errors_of: Errors) -> None:
    environ = {f"{TARGET_ENVIRONMENT}__SECRET": "whsec_eA==", f"{TARGET_ENVIRONMENT}__SECRET_FILE": "x"}
    assert errors_of(one_target(), environ) == [
        f"{TARGET_ENVIRONMENT}__SECRET_FILE: stands beside secret; remove one of the two"
    ]


def test_list_element() -> None:
    assert list_element(list[int]) is int
    assert list_element(list[str] | None) is str
    assert list_element(str | None) is None


def test_headers_come_from_the_environment_as_a_mapping(load_text: Load) -> None:
    environ = {f"{TARGET_ENVIRONMENT}__HEADERS": "{X-Team: platform}"}
    ((header, value),) = load_text(one_target(), environ).policies[0].targets[0].headers
    assert (header, value.reveal()) == ("X-Team", "platform")
