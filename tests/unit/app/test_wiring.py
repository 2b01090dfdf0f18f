"""Every setting that a stage needs reaches it."""

import ssl
from datetime import timedelta
from pathlib import Path

import pytest

from sidecar.app import wiring
from sidecar.config import Settings, load
from sidecar.model.delivery import TargetKey
from sidecar.model.operation import DYNAMIC
from sidecar.policies.policy import targets_of
from tests.support.certificates import write_certificate

HARBOR_YML = """
hostname: reg.example.com
external_url: https://charts.example.com
listen: {proxy: "127.0.0.1:5005", admin: "127.0.0.1:8085"}
registry: {url: "https://127.0.0.1:5001", username: u, password: p, ca_file: cert.pem}
chart_repository: {url: "http://127.0.0.1:8081", depth: dynamic, context_path: /charts, form_field: pkg}
data_volume: data
strict: true
connect_timeout_s: 1.5
look_up_timeout_s: 0.5
trusted_proxies: [10.0.0.0/8]
notification:
  webhook_job_max_retry: 4
  webhook_job_http_client_timeout: 3
  retry_waits_s: [1, 2]
  target_concurrency: 2
events: {mode: exact, pull_hold_s: 1, push_hold_s: 2, default_project: lib, ignore_user_agents: ["trivy/*"]}
egress: {deny_cidrs: [10.1.0.0/16], allow_hosts: ["*.example.com"]}
projects:
  - name: prj
    public: true
    webhook_policies:
      - name: ci
        targets: [{address: "http://127.0.0.1:1/a"}, {address: "http://127.0.0.1:1/b"}]
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    certificate = write_certificate(tmp_path)
    certificate.path.rename(tmp_path / "cert.pem")
    (tmp_path / "harbor.yml").write_text(HARBOR_YML)
    return load(tmp_path / "harbor.yml", {})


def test_pipeline(settings: Settings) -> None:
    told = wiring.recorder_settings(settings)
    assert (told.hostname, told.external_url) == ("reg.example.com", "https://charts.example.com")
    assert (told.grouped, told.enabled, told.several_workers) == (False, True, False)
    assert (told.holds.pull, told.holds.push) == (timedelta(seconds=1), timedelta(seconds=2))
    assert told.ignore_user_agents == ("trivy/*",)
    assert told.routes.default_project == "lib"
    assert told.projects[0].public
    assert told.policies == settings.policies


def test_proxy(settings: Settings) -> None:
    told = wiring.proxy_settings(settings)
    assert told.registry_url == "https://127.0.0.1:5001"
    assert told.chart_repository_url == "http://127.0.0.1:8081"
    assert (told.routes.chart_depth, told.routes.chart_context_path) == (DYNAMIC, "/charts")
    assert told.chart_form_fields == ("chart", "pkg")
    assert isinstance(told.registry_tls, ssl.SSLContext)
    assert told.chart_repository_tls is True
    assert (told.connect_timeout_s, told.look_up_timeout_s) == (1.5, 0.5)
    assert [str(network) for network in told.trusted_proxies] == ["10.0.0.0/8"]


def test_dispatcher(settings: Settings) -> None:
    told = wiring.dispatcher_settings(settings)
    assert (told.schedule.max_failures, told.schedule.waits_s) == (4, (1, 2))
    assert (told.timeout_s, told.concurrency) == (3, 2)
    assert [str(network) for network in told.egress.deny_cidrs] == ["10.1.0.0/16"]
    assert told.egress.allow_hosts == ("*.example.com",)
    assert told.egress.own_listeners == (("127.0.0.1", 5005), ("127.0.0.1", 8085))


def test_targets_have_the_keys_that_deliveries_carry(settings: Settings) -> None:
    targets = targets_of(settings.policies)
    (policy,) = settings.policies
    assert list(targets) == [TargetKey(policy_id="prj/ci", target_id=own) for own in policy.target_ids]
    _, second = list(targets.values())[1]
    assert second.address == "http://127.0.0.1:1/b"


def test_places(settings: Settings) -> None:
    registry, charts = wiring.registry_client(settings), wiring.charts_client(settings)
    assert (registry.username, registry.password.reveal()) == ("u", "p")
    assert registry.ca_file == settings.registry.ca_file
    assert charts is not None
    assert charts.username == ""
