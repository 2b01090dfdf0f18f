from dataclasses import replace
from pathlib import Path

from sidecar.config import Changes, compare
from sidecar.model.secrets import Secret
from tests.unit.config.conftest import Load, one_target


def test_nothing_changed(load_text: Load) -> None:
    loaded = load_text()
    assert compare(loaded, replace(loaded, notices=("x",), files=(Path("x"),))) == Changes(
        at_once=(), at_restart=()
    )


def test_what_waits_for_a_restart(load_text: Load) -> None:
    changed = load_text("listen: {proxy: ':1', admin: ':2'}\nworkers: 2\ndata_volume: /x\nstrict: true\n")
    changes = compare(load_text(), changed)
    assert changes.at_restart == ("listen.proxy", "listen.admin", "workers", "data_volume")
    assert changes.at_once == ("strict",)


def test_a_secret_that_changed_is_a_change(load_text: Load) -> None:
    loaded = load_text(one_target(auth_header="a"))
    changed = load_text(one_target(auth_header="b"))
    assert changed.policies[0].targets[0].auth_header == Secret("b")
    assert compare(loaded, changed).at_once == ("projects[].webhook_policies",)
