from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sidecar.commands import cli

GOOD = """\
hostname: registry.example.com
registry: {url: 'http://127.0.0.1:5001', username: u, password: sekrit}
chart_repository: {url: 'http://127.0.0.1:8081', depth: dynamic, context_path: /charts}
harbor_admin_password: sekrit
listen: {proxy: '[::1]:5000'}
projects:
  - name: prj
    webhook_policies:
      - name: ci
        event_types: [pushImage]
        repositories: [prj/a]
        tags: ["v*"]
        targets:
          - id: "0"
            address: https://u:sekrit@ci.example.com/sekrit?sekrit
            auth_header: sekrit
            secret: c2Vrcml0
      - name: second
        enabled: false
        targets: [{id: "0", address: 'http://h'}]
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "harbor.yml"
    path.write_text(GOOD)
    return path


Run = Callable[..., Result]


@pytest.fixture
def run() -> Run:
    """Runs `sidecar` in this process; keywords are its environment."""

    def invoke(*arguments: str, **environ: str) -> Result:
        return CliRunner().invoke(cli.main, arguments, env=environ)

    return invoke
