import asyncio
import os
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from sidecar.app.reload import Watcher
from sidecar.config import Settings, load
from sidecar.model.secrets import Secret

MINIMAL = "hostname: {hostname}\nregistry: {{url: 'http://127.0.0.1:5001'}}\n"
WITH_SECRET = MINIMAL + (
    "projects: [{{name: p, webhook_policies: [{{name: n, targets: [{{address: 'http://h', "
    "auth_header_file: header}}]}}]}}]\n"
)
Lines = list[MutableMapping[str, Any]]


class Program:
    """A watcher with what it was told and what it said."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.applied: list[Settings] = []
        self.results: list[str] = []
        self.failure: Exception | None = None
        self.has_applied = asyncio.Event()
        self.watcher = Watcher(
            path,
            self._apply,
            current=load(path, {}),
            environ={},
            on_result=self.results.append,
            interval_s=0.01,
        )

    async def _apply(self, settings: Settings) -> None:
        if self.failure:
            raise self.failure
        self.applied.append(settings)
        self.has_applied.set()

    async def look(self) -> Lines:
        with capture_logs() as lines:
            await self.watcher.look()
        return lines


def _replace(path: Path, text: str) -> None:
    """In one step, as editors and kubelets do; the new file is another one even within one tick."""
    draft = path.with_suffix(".new")
    draft.write_text(text)
    draft.replace(path)


@pytest.fixture
async def program(tmp_path: Path) -> Program:
    path = tmp_path / "harbor.yml"
    path.write_text(MINIMAL.format(hostname="a"))
    program = Program(path)
    assert await program.look() == []
    return program


async def test_nothing_changed_nothing_happens(program: Program) -> None:
    assert await program.look() == []
    assert (program.applied, program.results) == ([], [])


async def test_a_changed_file_takes_effect(program: Program) -> None:
    _replace(program.path, MINIMAL.format(hostname="b"))
    (line,) = await program.look()
    assert (line["event"], line["changed"]) == ("config.reloaded", ("hostname", "external_url"))
    assert [settings.hostname for settings in program.applied] == ["b"]
    assert program.results == ["ok"]
    assert await program.look() == []


async def test_a_change_between_start_and_first_look_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "harbor.yml"
    path.write_text(MINIMAL.format(hostname="a"))
    program = Program(path)
    _replace(path, MINIMAL.format(hostname="b"))
    await program.look()
    assert [settings.hostname for settings in program.applied] == ["b"]


async def test_a_broken_file_changes_nothing_and_names_every_error_once(program: Program) -> None:
    _replace(program.path, "hostnam: x\nworkers: many\n")
    lines = await program.look()
    assert {line["event"] for line in lines} == {"config.refused"}
    assert {line["log_level"] for line in lines} == {"error"}
    assert "harbor.yml: workers: must be a whole number" in [line["mistake"] for line in lines]
    assert len(lines) == 4
    assert await program.look() == []
    assert (program.applied, program.results) == ([], ["failed"])


async def test_a_file_that_is_mended_takes_effect(program: Program) -> None:
    program.path.unlink()
    (line,) = await program.look()
    assert "no such file" in line["mistake"]
    _replace(program.path, MINIMAL.format(hostname="b"))
    await program.look()
    assert [settings.hostname for settings in program.applied] == ["b"]
    assert program.results == ["failed", "ok"]


async def test_a_symbolic_link_some_levels_up_is_followed(tmp_path: Path) -> None:
    """How Kubernetes updates a mounted ConfigMap: harbor.yml -> ..data/harbor.yml, ..data -> ..time."""
    for version, hostname in (("..1", "a"), ("..2", "b")):
        (tmp_path / version).mkdir()
        (tmp_path / version / "harbor.yml").write_text(MINIMAL.format(hostname=hostname))
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "harbor.yml").symlink_to("..data/harbor.yml")
    program = Program(tmp_path / "harbor.yml")
    await program.look()
    (tmp_path / "..data_tmp").symlink_to("..2")
    (tmp_path / "..data_tmp").replace(tmp_path / "..data")
    await program.look()
    assert [settings.hostname for settings in program.applied] == ["b"]


async def test_a_changed_secret_file_takes_effect(program: Program) -> None:
    header = program.path.parent / "header"
    header.write_text("one")
    _replace(program.path, WITH_SECRET.format(hostname="a"))
    await program.look()
    _replace(header, "two")
    (line,) = await program.look()
    assert line["changed"] == ("projects[].webhook_policies",)
    assert [settings.policies[0].targets[0].auth_header for settings in program.applied] == [
        Secret("one"),
        Secret("two"),
    ]
    assert await program.look() == []


async def test_a_secret_that_comes_later_than_its_key_is_waited_for(program: Program) -> None:
    _replace(program.path, WITH_SECRET.format(hostname="a"))
    (line,) = await program.look()
    assert "cannot be read" in line["mistake"]
    (program.path.parent / "header").write_text("one")
    await program.look()
    assert len(program.applied) == 1


async def test_told_to_reload_it_does_though_nothing_changed(program: Program) -> None:
    with capture_logs() as lines:
        await program.watcher.reload()
    assert [line["event"] for line in lines] == ["config.reloaded"]
    assert len(program.applied) == 1


async def test_told_to_reload_it_repeats_the_errors(program: Program) -> None:
    _replace(program.path, "")
    first = await program.look()
    with capture_logs() as again:
        await program.watcher.reload()
    assert again == first
    assert len(first) == 1


async def test_what_needs_a_restart_is_said_until_it_is_taken_back(program: Program) -> None:
    _replace(program.path, MINIMAL.format(hostname="a") + "workers: 2\n")
    lines = await program.look()
    assert [(line["event"], line.get("keys")) for line in lines] == [
        ("config.reloaded", None),
        ("config.restart_needed", ("workers",)),
    ]
    _replace(program.path, MINIMAL.format(hostname="b") + "workers: 2\n")
    assert [line["event"] for line in await program.look()] == ["config.reloaded", "config.restart_needed"]
    _replace(program.path, MINIMAL.format(hostname="b"))
    assert [line["event"] for line in await program.look()] == ["config.reloaded"]


async def test_settings_that_cannot_be_applied_do_not_end_the_watching(program: Program) -> None:
    program.failure = RuntimeError("bug")
    _replace(program.path, MINIMAL.format(hostname="b"))
    (line,) = await program.look()
    assert line["event"] == "config.not_applied"
    program.failure = None
    _replace(program.path, MINIMAL.format(hostname="c"))
    await program.look()
    assert [settings.hostname for settings in program.applied] == ["c"]
    assert program.results == ["failed", "ok"]


async def test_it_looks_by_itself_until_cancelled(program: Program) -> None:
    task = asyncio.ensure_future(program.watcher.run())
    _replace(program.path, MINIMAL.format(hostname="b"))
    async with asyncio.timeout(5):
        await program.has_applied.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_another_file_with_the_same_time_and_size_is_noticed(program: Program) -> None:
    """The same name, size and time, but another file: editors that keep times."""
    before = program.path.stat()
    _replace(program.path, MINIMAL.format(hostname="b"))
    os.utime(program.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    await program.look()
    assert len(program.applied) == 1
