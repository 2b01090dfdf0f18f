from ipaddress import ip_network
from pathlib import Path

from sidecar.model.operation import DYNAMIC
from sidecar.model.secrets import Secret
from tests.unit.config.conftest import Load, one_target


def test_chart_repository(load_text: Load, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("p\n")
    charts = load_text(
        "chart_repository: {url: 'http://c:8081/', depth: dynamic, context_path: /charts/, form_field: file, "
        "username: u, password_file: password}\n"
    ).chart_repository
    assert charts
    assert (charts.url, charts.depth, charts.context_path) == ("http://c:8081", DYNAMIC, "/charts")
    assert (charts.form_field, charts.username, charts.password) == ("file", "u", Secret("p"))


def test_the_highest_level_has_harbors_name(load_text: Load) -> None:
    assert load_text("log: {level: fatal}\n").log_level == "critical"
    assert load_text("log: {level: debug}\n").log_level == "debug"


def test_egress(load_text: Load) -> None:
    egress = load_text(
        "egress: {allow_cidrs: [10.0.0.0/8], deny_cidrs: ['::1'], allow_hosts: ['*.svc']}\n"
    ).egress
    assert egress.allow_cidrs == (ip_network("10.0.0.0/8"),)
    assert egress.deny_cidrs == (ip_network("::1"),)
    assert egress.allow_hosts == ("*.svc",)


def test_notification(load_text: Load) -> None:
    notification = load_text(
        "notification: {enabled: false, retry_waits_s: [0, 1.5], target_concurrency: 2, retention_days: 1}\n"
    ).notification
    assert not notification.enabled
    assert notification.retry_waits_s == (0.0, 1.5)
    assert (notification.target_concurrency, notification.retention_days) == (2, 1.0)


def test_projects(load_text: Load) -> None:
    loaded = load_text("projects: [{name: a, public: true, oci_chart_events: true}, {name: '*'}]\n")
    (project,) = loaded.projects
    assert (project.name, project.public, project.oci_chart_events) == ("a", True, True)


def test_external_url(load_text: Load) -> None:
    assert load_text("external_url: http://x:1/\n").external_url == "http://x:1"


def test_policy_has_filters_and_overrides_of_its_own(load_text: Load) -> None:
    text = one_target(secret="d2hhdGV2ZXI=", previous_secret="d2hhdGV2ZXIy").replace(
        "name: ci\n",
        "name: ci\n        exclude_repositories: [prj/tmp]\n        exclude_tags: [dev]\n"
        "        operators: ['', 'robot$*']\n        webhook_job_max_retry: 3\n"
        "        webhook_job_http_client_timeout: 2.5\n        retry_waits_s: [1, 2]\n",
    )
    (policy,) = load_text(text).policies
    assert (policy.exclude_repositories, policy.exclude_tags) == (("prj/tmp",), ("dev",))
    assert policy.operators == ("", "robot$*")
    assert (policy.max_retry, policy.timeout_s, policy.retry_waits_s) == (3, 2.5, (1.0, 2.0))
    assert policy.targets[0].previous_secret == Secret("d2hhdGV2ZXIy")


def test_policy_that_says_nothing_has_no_overrides(load_text: Load) -> None:
    (policy,) = load_text(one_target()).policies
    assert (policy.max_retry, policy.timeout_s, policy.retry_waits_s) == (None, None, None)


def test_policies_of_all_projects_stand_beside_those_of_one(load_text: Load) -> None:
    target = "targets: [{address: 'http://a'}, {address: 'http://b'}]"
    policies = f"[{{name: x, {target}}}, {{name: y, {target}}}]"
    loaded = load_text(
        f"projects: [{{name: '*', webhook_policies: {policies}}}, {{name: p, webhook_policies: {policies}}}]\n"
    )
    assert [policy.id for policy in loaded.policies] == ["*/x", "*/y", "p/x", "p/y"]
    assert {len(policy.targets) for policy in loaded.policies} == {2}
    assert [project.name for project in loaded.projects] == ["p"]
