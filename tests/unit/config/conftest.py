"""harbor.yml written and loaded in one step."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sidecar.config import Settings, load
from sidecar.model.errors import ConfigError

MINIMAL = """\
hostname: registry.example.com
registry:
  url: http://127.0.0.1:5001
"""

Load = Callable[..., Settings]
Errors = Callable[..., list[str]]


@pytest.fixture
def load_text(tmp_path: Path) -> Load:
    def loaded(text: str = "", environ: dict[str, str] | None = None, *, minimal: str = MINIMAL) -> Settings:
        path = tmp_path / "harbor.yml"
        path.write_text(minimal + text)
        return load(path, environ or {})

    return loaded


@pytest.fixture
def errors_of(load_text: Load) -> Errors:
    def errors(text: str = "", environ: dict[str, str] | None = None, *, minimal: str = MINIMAL) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load_text(text, environ, minimal=minimal)
        return list(caught.value.errors)

    return errors


def one_target(**target: str) -> str:
    """A project with one policy and one target that has these keys besides its address."""
    lines = "".join(f"            {key}: {value}\n" for key, value in target.items())
    return (
        "projects:\n  - name: prj\n    webhook_policies:\n      - name: ci\n        targets:\n"
        f"          - address: https://ci.example.com/hook\n{lines}"
    )


TARGET = "projects[0].webhook_policies[0].targets[0]"
TARGET_ENVIRONMENT = "SIDECAR_PROJECTS__0__WEBHOOK_POLICIES__0__TARGETS__0"
