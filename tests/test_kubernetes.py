"""The manifests in k8s/: they parse, keep what they promise, and hold a harbor.yml that is valid."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.process import ROOT, environment

MANIFESTS = sorted((ROOT / "k8s").glob("*.yaml"))
SECRETS = "/run/secrets/sidecar"

Json = dict[str, Any]


def read_documents() -> list[Json]:
    return [document for path in MANIFESTS for document in yaml.safe_load_all(path.read_text())]


def find(kind: str) -> Json:
    return next(document for document in read_documents() if document["kind"] == kind)


def pod() -> Json:
    spec: Json = find("Deployment")["spec"]["template"]["spec"]
    return spec


def containers() -> list[Json]:
    return [*pod()["initContainers"], *pod()["containers"]]


def test_every_document_is_named_and_has_no_namespace() -> None:
    for document in read_documents():
        assert {"apiVersion", "kind"} <= document.keys()
        if document["kind"] != "Kustomization":
            assert document["metadata"].keys() == {"name"}


def test_kustomization_lists_every_manifest() -> None:
    assert sorted(find("Kustomization")["resources"]) == sorted(
        path.name for path in MANIFESTS if path.name != "kustomization.yaml"
    )


def test_sidecar_is_native_and_probed_on_the_admin_port() -> None:
    (sidecar,) = pod()["initContainers"]
    assert sidecar["restartPolicy"] == "Always"
    paths = {
        probe: sidecar[probe]["httpGet"]["path"]
        for probe in ("livenessProbe", "readinessProbe", "startupProbe")
    }
    assert paths == {"livenessProbe": "/healthz", "readinessProbe": "/readyz", "startupProbe": "/healthz"}
    assert all(sidecar[probe]["httpGet"]["port"] == "admin" for probe in paths)


@pytest.mark.parametrize("container", containers(), ids=lambda container: str(container["name"]))
def test_containers_are_locked_down(container: Json) -> None:
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod()["securityContext"]["runAsNonRoot"] is True
    assert pod()["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}


def test_only_the_proxy_port_is_reachable() -> None:
    assert [port["targetPort"] for port in find("Service")["spec"]["ports"]] == ["proxy"]
    (rule,) = find("NetworkPolicy")["spec"]["ingress"]
    assert [port["port"] for port in rule["ports"]] == ["proxy"]


def test_selectors_find_the_pods() -> None:
    labels = find("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert find("Deployment")["spec"]["selector"]["matchLabels"] == labels
    assert find("Service")["spec"]["selector"] == labels
    assert find("NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == labels


def test_every_volume_exists_and_configuration_is_mounted_as_a_directory() -> None:
    names = {volume["name"] for volume in pod()["volumes"]}
    mounts = [mount for container in containers() for mount in container["volumeMounts"]]
    assert {mount["name"] for mount in mounts} == names
    assert not any("subPath" in mount for mount in mounts)
    claims = {
        volume["persistentVolumeClaim"]["claimName"]
        for volume in pod()["volumes"]
        if "emptyDir" not in volume and "persistentVolumeClaim" in volume
    }
    assert claims == {
        document["metadata"]["name"]
        for document in read_documents()
        if document["kind"] == "PersistentVolumeClaim"
    }


def test_harbor_yml_is_valid(tmp_path: Path) -> None:
    for name, value in find("Secret")["stringData"].items():
        (tmp_path / name).write_text(value)
    text = find("ConfigMap")["data"]["harbor.yml"]
    assert text.count(SECRETS) == len(find("Secret")["stringData"])
    configuration = tmp_path / "harbor.yml"
    configuration.write_text(text.replace(SECRETS, str(tmp_path)).replace("/var/lib/sidecar", str(tmp_path)))
    checked = subprocess.run(
        [sys.executable, "-m", "sidecar", "check", "--config", str(configuration)],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
