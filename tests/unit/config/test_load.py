import re
from ipaddress import ip_network
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sidecar.config import Settings, load
from sidecar.config.environment import environment_name, keys
from sidecar.config.model import HarborYml
from sidecar.model.errors import ConfigError
from sidecar.model.event import IN_ALL, EventType
from sidecar.model.secrets import Secret
from sidecar.policies.target import EventNames, PayloadFormat, TargetType
from tests.unit.config.conftest import MINIMAL, TARGET, Errors, Load, one_target

DESIGNED = """\
hostname: registry.example.com
external_url: https://registry.example.com
listen:
  proxy: 0.0.0.0:5000
  admin: 127.0.0.1:8080
workers: 2
registry:
  url: http://127.0.0.1:5001
chart_repository:
  url: http://127.0.0.1:8081
  depth: 1
data_volume: /var/lib/sidecar
database:
  url: postgresql://user:sekrit@db/sidecar
harbor_admin_password: sekrit
users_file: users
notification:
  enabled: true
  webhook_job_max_retry: 4
  webhook_job_http_client_timeout: 3
events:
  mode: exact
projects:
  - name: prj
    public: true
    admins: [alice]
    storage_limit: 10GiB
    scan_on_push: true
    webhook_policies:
      - name: ci
        enabled: false
        event_types: [pushImage, PULL_ARTIFACT]
        repositories: ["prj/app-*"]
        tags: ["v*"]
        targets:
          - type: http
            address: https://ci.example.com/hook?a=%2f
            auth_header: Bearer s3cret
            skip_cert_verify: true
            payload_format: Default
            event_names: 1.x
            secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw
  - name: "*"
    webhook_policies:
      - name: all
        targets:
          - address: http://audit.example.com
scanners:
  - name: trivy
    url: http://127.0.0.1:8090
    auth: ""
    access_credential: ""
"""


def test_every_key_of_the_design_is_understood(load_text: Load) -> None:
    loaded = load_text(minimal=DESIGNED)
    assert loaded.listen_proxy == ("0.0.0.0", 5000)
    assert loaded.workers == 2
    assert loaded.chart_repository
    assert loaded.chart_repository.depth == 1
    assert (loaded.notification.max_retry, loaded.notification.timeout_s) == (4, 3.0)
    assert loaded.events.mode == "exact"
    assert [(project.name, project.public) for project in loaded.projects] == [("prj", True)]
    policy, everywhere = loaded.policies
    assert (policy.id, policy.project, policy.enabled) == ("prj/ci", "prj", False)
    assert policy.event_types == {EventType.IMAGE_PUSH, EventType.IMAGE_PULL}
    assert (policy.repositories, policy.tags) == (("prj/app-*",), ("v*",))
    (target,) = policy.targets
    assert target.address == "https://ci.example.com/hook?a=%2f"
    assert target.auth_header == Secret("Bearer s3cret")
    assert target.secret == Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    assert (target.type, target.skip_cert_verify) == (TargetType.HTTP, True)
    assert (target.payload_format, target.event_names) == (PayloadFormat.DEFAULT, EventNames.HARBOR1)
    assert (everywhere.id, everywhere.project) == ("*/all", "*")
    assert everywhere.event_types == IN_ALL
    assert everywhere.targets[0].payload_format is PayloadFormat.DOCUMENTED


def test_keys_without_effect_are_named_one_line_each(load_text: Load) -> None:
    notices = load_text(minimal=DESIGNED).notices
    ending = ": accepted, but not in effect in this version"
    assert {notice.removesuffix(ending) for notice in notices} == {
        "harbor.yml: database.url",
        "harbor.yml: harbor_admin_password",
        "harbor.yml: users_file",
        "harbor.yml: scanners",
        "harbor.yml: projects[0].admins",
        "harbor.yml: projects[0].storage_limit",
        "harbor.yml: projects[0].scan_on_push",
    }
    assert all(notice.endswith(ending) for notice in notices)


def test_defaults(load_text: Load) -> None:
    loaded = load_text()
    assert loaded.external_url == "https://registry.example.com"
    assert loaded.chart_repository is None
    assert loaded.data_volume == Path("/var/lib/sidecar")
    assert loaded.log_level == "info"
    assert loaded.notification.enabled
    assert loaded.notification.max_retry == 10
    assert (loaded.events.mode, loaded.events.pull_hold_s, loaded.events.push_hold_s) == (
        "grouped",
        3.0,
        30.0,
    )
    assert ip_network("10.0.0.0/8") in loaded.trusted_proxies
    assert (loaded.policies, loaded.notices, loaded.files) == ((), (), ())


def test_keys_with_nothing_behind_them_are_left_out(load_text: Load) -> None:
    assert load_text("workers:\nchart_repository:\nprojects:\n") == load_text()


def test_every_error_is_named_at_once(errors_of: Errors) -> None:
    text = """\
workers: many
events: {mode: groupd}
notification: {webhook_job_max_retry: 0}
projects:
  - name: prj
    webhook_policies:
      - name: ci
        targetz: []
        event_types: [pushImages]
        targets:
          - address: ci.example.com
            auth_header_file: nowhere
            event_names: 1.x
"""
    errors = errors_of(text, {"SIDECAR_REGISTRY__URI": "x"})
    policy = "harbor.yml: projects[0].webhook_policies[0]"
    beginnings = [
        "harbor.yml: workers: must be a whole number",
        "harbor.yml: events.mode: must be grouped or exact",
        "harbor.yml: notification.webhook_job_max_retry: must be at least 1",
        f"{policy}.targetz: unknown key (did you mean targets?)",
        f"{policy}.event_types[0]: no such event type (did you mean pushImage?)",
        f"{policy}.targets[0].address: must be an absolute URL",
        f"{policy}.targets[0].auth_header_file: ",
        f"{policy}.targets[0].event_names: is a choice of payload_format Default only",
        "SIDECAR_REGISTRY__URI: unknown setting (did you mean SIDECAR_REGISTRY__URL?)",
    ]
    assert len(errors) == len(beginnings)
    for beginning in beginnings:
        assert sum(error.startswith(beginning) for error in errors) == 1, beginning


def test_a_missing_key_says_what_it_means(errors_of: Errors) -> None:
    assert errors_of(minimal="registry: {url: 'http://r'}") == [
        "harbor.yml: hostname: is missing; add it (what users write before a repository, as registry.example.com)"
    ]


SECRET_PLACES = [
    "harbor_admin_password: [{secret}]",
    "registry: {{url: 'http://u:{secret}@h'}}",
    "registry: {{url: 'http://h', username: u, password: [{secret}]}}",
    "chart_repository: {{url: 'http://h', username: u, password: {{a: {secret}}}}}",
    "database: {{url: [{secret}]}}",
    'projects: [{{name: p, webhook_policies: [{{name: n, targets: [{{address: "http://x", auth_header: "{secret}\\n"}}]}}]}}]',
    "projects: [{{name: p, webhook_policies: [{{name: n, targets: [{{address: 'x://u:{secret}@x'}}]}}]}}]",
    "projects: [{{name: p, webhook_policies: [{{name: n, targets: [{{address: 'http://x', secret: '{secret}!'}}]}}]}}]",
    "projects: [{{name: p, webhook_policies: [{{name: n, targets: ['{secret}']}}]}}]",
    "scanners: [{{name: s, url: 'http://u:{secret}@x', access_credential: [{secret}]}}]",
    "harbor_admin_password: *{secret}",
    "harbor_admin_password: !{secret} x",
    "harbor_admin_password: '{secret}",
    "harbor_admin_password: {secret}: x",
    "harbor_admin_password: !!int {secret}",
]


@pytest.mark.parametrize("place", SECRET_PLACES)
def test_no_message_holds_a_secret(errors_of: Errors, place: str) -> None:
    errors = errors_of(place.format(secret="sekritValue1"))
    assert errors
    assert "sekritValue1" not in "\n".join(errors)


def test_no_message_and_no_exception_holds_a_secret_of_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "harbor.yml"
    path.write_text(MINIMAL)
    with pytest.raises(ConfigError) as caught:
        load(path, {"SIDECAR_PROJECTS": "[sekritValue1", "SIDECAR_REGISTRY__PASSWORD": "sekritValue1"})
    assert "sekritValue1" not in repr(caught.value)
    assert caught.value.__cause__ is None


def test_settings_print_no_secret(load_text: Load) -> None:
    assert "s3cret" not in repr(load_text(minimal=DESIGNED))
    assert "whsec" not in repr(load_text(minimal=DESIGNED))


def test_every_key_can_come_from_the_environment(load_text: Load) -> None:
    """Each key of the design, taken out of the file and put into the environment, gives the same settings."""
    values = yaml.safe_load(DESIGNED)
    environ = {}
    for location in keys(HarborYml):
        value = values
        for part in location:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                break
        else:
            environ[environment_name(location)] = value if isinstance(value, str) else yaml.safe_dump(value)
    for key in ("NAME", "WEBHOOK_POLICIES__0__NAME", "WEBHOOK_POLICIES__0__TARGETS__0__ADDRESS"):
        location_value = values["projects"][1]
        for part in key.lower().split("__"):
            location_value = location_value[int(part) if part.isdigit() else part]
        environ[f"SIDECAR_PROJECTS__1__{key}"] = location_value
    assert len(environ) > 30
    assert load_text(minimal="hostname: x\n", environ=environ) == load_text(minimal=DESIGNED)


_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
_NAMES = sorted({str(part) for location in keys(HarborYml) for part in location if isinstance(part, str)})
_WORDS = st.sampled_from([*_NAMES, "*", "http://h", "0.0.0.0:1", "10GiB", "dynamic", "whsec_", "/x", "**"])
_VALUES = st.recursive(
    _LEAVES | _WORDS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(_WORDS | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=20,
)


def _load_or_errors(path: Path, content: bytes, environ: dict[str, str]) -> Settings | ConfigError:
    path.write_bytes(content)
    try:
        return load(path, environ)
    except ConfigError as exc:
        return exc


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.dictionaries(st.sampled_from(sorted(HarborYml.model_fields)), _VALUES))
def test_any_values_are_settings_or_errors(tmp_path: Path, values: dict[str, object]) -> None:
    outcome = _load_or_errors(tmp_path / "harbor.yml", yaml.safe_dump(values).encode(), {})
    if isinstance(outcome, ConfigError):
        assert outcome.errors
        assert all(re.fullmatch(r"harbor\.yml: .+", error) for error in outcome.errors)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=80) | st.text(max_size=80).map(lambda text: text.encode(errors="ignore")))
def test_any_bytes_are_settings_or_errors(tmp_path: Path, content: bytes) -> None:
    assert isinstance(_load_or_errors(tmp_path / "harbor.yml", content, {}), ConfigError)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    environ=st.dictionaries(
        st.sampled_from([environment_name(location) for location in keys(HarborYml)])
        | st.from_regex(r"SIDECAR_[A-Z_0-9]{0,20}", fullmatch=True),
        st.text(max_size=20) | _WORDS,
        max_size=5,
    )
)
def test_any_environment_is_settings_or_errors(tmp_path: Path, environ: dict[str, str]) -> None:
    outcome = _load_or_errors(tmp_path / "harbor.yml", MINIMAL.encode(), environ)
    if isinstance(outcome, ConfigError):
        assert outcome.errors


def test_an_error_below_a_value_of_the_environment_names_it(errors_of: Errors) -> None:
    assert errors_of(environ={"SIDECAR_PROJECTS": "[{name: a, publik: true}]"}) == [
        "SIDECAR_PROJECTS: [0].publik: unknown key (did you mean public?)"
    ]


@pytest.mark.parametrize("kind", ["slack", "teams"])
def test_chat_targets_have_a_form_of_their_own_and_no_header(errors_of: Errors, kind: str) -> None:
    errors = errors_of(one_target(type=kind, auth_header="x", payload_format="Default"))
    assert errors == [
        f"harbor.yml: {TARGET}.auth_header: has no meaning for {kind}; remove it",
        f"harbor.yml: {TARGET}.payload_format: has no meaning for {kind}; remove it",
    ]
