"""Every request is counted once, with the status that its client saw."""

from pathlib import Path

import httpx

from tests.support.process import is_installed, require_program
from tests.support.servers import Registry, Sidecar, Version


def test_requests_are_counted_by_operation_and_status(tmp_path: Path) -> None:
    if not is_installed("registry", "docker-registry"):
        require_program("registry")
    version: Version = "3" if is_installed("registry") else "2.8"
    with (
        Registry(tmp_path / "r", version=version) as registry,
        Sidecar(tmp_path / "s", registry=registry.url) as sidecar,
        httpx.Client(trust_env=False) as client,
    ):
        for _ in range(2):
            client.get(f"{sidecar.url}/v2/prj/app/manifests/v1")
        client.get(f"{sidecar.url}/v2/")
        metrics = client.get(f"{sidecar.admin_url}/metrics").text
    assert 'sidecar_requests_total{operation="get_manifest",status="4xx"} 2.0' in metrics
    assert 'sidecar_requests_total{operation="ping",status="2xx"} 1.0' in metrics
    assert 'sidecar_request_duration_seconds_count{operation="get_manifest"} 2.0' in metrics
