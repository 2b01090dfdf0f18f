from ipaddress import ip_network
from pathlib import Path

from sidecar.operation import DYNAMIC
from sidecar.policy import Secret
from tests.unit.config.conftest import Load


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
