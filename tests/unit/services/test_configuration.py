from pathlib import Path

from sidecar.config import Settings
from sidecar.services.configuration import check_configuration, check_policy, check_target
from tests.unit.commands.conftest import GOOD

HOOK = {"address": "https://ci.example.com/hook"}


def test_a_file_is_settings_or_every_error(tmp_path: Path) -> None:
    path = tmp_path / "harbor.yml"
    path.write_text(GOOD)
    checked = check_configuration(path, {"SIDECAR_HOSTNAME": "other.example.com"})
    assert checked.settings
    assert (checked.settings.hostname, checked.errors) == ("other.example.com", ())
    assert checked.notices == checked.settings.notices != ()
    path.write_text("hostname: x\nworkers: many\n")
    refused = check_configuration(path, {})
    assert (refused.settings, refused.notices, len(refused.errors)) == (None, (), 2)


def test_a_policy_is_read_with_the_default_project_of_the_settings(settings: Settings) -> None:
    values = {"name": "ci", "repositories": ["nginx"], "targets": [HOOK]}
    found = check_policy(settings, "library", values)
    assert found.value
    assert found.value.id == "library/ci"
    (error,) = check_policy(settings, "prj", values).errors
    assert (error.where, error.what) == (
        "repositories[0]",
        "matches nothing in project prj; full names begin with prj/",
    )


def test_nobody_has_files_read_by_asking(settings: Settings) -> None:
    target = {**HOOK, "auth_header_file": "/etc/hostname"}
    for found in (
        check_policy(settings, "prj", {"name": "ci", "targets": [target]}).errors,
        check_target(target).errors,
    ):
        assert [diagnostic.what for diagnostic in found] == ["names a file, which harbor.yml alone may do"]
