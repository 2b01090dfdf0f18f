"""Reads harbor.yml again while the sidecar runs: when it changes, and when told to (SIGHUP).

Files are polled by name once a second: a ConfigMap is changed through a symbolic link some levels up, which
raises no notification for the file itself. An invalid configuration changes nothing; it is tried again
until it is valid, because a missing secret may still appear.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import structlog

from sidecar.app.parts import Part
from sidecar.app.supervision import Supervisor
from sidecar.config import Settings, compare, load
from sidecar.model.errors import ConfigError

_INTERVAL_S: Final = 1.0
_MOST_READINGS: Final = 2

#: The resolved path of a file and its state; None when it does not exist.
_Fingerprint = tuple[str, int, int, int, int] | None
log = structlog.get_logger()


class Watcher:
    """Passes new settings to `on_change`; `run` ends only by being cancelled."""

    def __init__(
        self,
        path: Path,
        on_change: Callable[[Settings], Awaitable[None]],
        *,
        current: Settings,
        environ: Mapping[str, str] = os.environ,
        on_result: Callable[[Literal["ok", "failed"]], None] = lambda _result: None,
        interval_s: float = _INTERVAL_S,
    ) -> None:
        self._path = path
        self._on_change = on_change
        self._on_result = on_result
        self._environ = environ
        self._interval_s = interval_s
        self._started_with = current
        self._current = current
        self._files = current.files
        self._seen: dict[Path, _Fingerprint] = {}  # empty until the first look
        self._errors: tuple[str, ...] = ()
        self._reading = asyncio.Lock()

    async def run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(self._interval_s)

    async def look(self) -> None:
        """Reload if any file changed, or if the last configuration could not be used."""
        async with self._reading:
            is_first = not self._seen
            if self._errors or self._seen != _fingerprints((self._path, *self._files)):
                await self._reload(is_silent_when_equal=is_first)

    async def reload(self) -> None:
        """Reload whether anything changed or not, for SIGHUP."""
        async with self._reading:
            self._errors = ()  # log them again
            await self._reload(is_silent_when_equal=False)

    async def _reload(self, *, is_silent_when_equal: bool) -> None:
        try:
            settings = await asyncio.to_thread(self._load)
        except ConfigError as exc:
            self._refuse(exc.errors)
            return
        self._errors = ()
        if not (is_silent_when_equal and settings == self._current):
            await self._apply(settings)

    def _load(self) -> Settings:
        """The state of files is taken before they are read, so that a change meanwhile is noticed next time."""
        for _ in range(_MOST_READINGS):
            settings = self._read()
            if set(settings.files) == set(self._files):
                return settings
            self._files = settings.files
        return self._read()

    def _read(self) -> Settings:
        self._seen = _fingerprints((self._path, *self._files))
        return load(self._path, self._environ)

    def _refuse(self, errors: tuple[str, ...]) -> None:
        if errors == self._errors:
            return
        self._errors = errors
        for error in errors:
            log.error("config.refused", mistake=error)
        self._on_result("failed")

    async def _apply(self, settings: Settings) -> None:
        changes = compare(self._current, settings)
        try:
            await self._on_change(settings)
        except Exception:  # the old settings stay; the next change is tried again
            log.exception("config.not_applied")
            self._on_result("failed")
            return
        self._current = settings
        log.info("config.reloaded", changed=changes.at_once)
        if keys := compare(self._started_with, settings).at_restart:
            log.warning("config.restart_needed", keys=keys)
        for notice in settings.notices:
            log.warning("config.not_in_effect", notice=notice)
        self._on_result("ok")


class Configuration(Part):
    """Follows harbor.yml while the process runs."""

    def __init__(
        self,
        path: Path,
        settings: Settings,
        supervisor: Supervisor,
        *,
        on_change: Sequence[Callable[[Settings], None]],
        on_result: Callable[[Literal["ok", "failed"]], None],
    ) -> None:
        """`settings` are those in force; `on_change` are all called with new ones."""
        self._supervisor = supervisor
        self._on_change = on_change
        self._hangups = asyncio.Event()
        self._watcher = Watcher(path, self._apply, current=settings, on_result=on_result)

    def reload_soon(self) -> None:
        """Whether anything has changed or not."""
        self._hangups.set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._supervisor.keep("configuration", self._watcher.run))
            tasks.create_task(self._reload_when_told())

    async def _reload_when_told(self) -> None:
        while True:
            await self._hangups.wait()
            self._hangups.clear()
            await self._supervisor.attempt("configuration", self._watcher.reload)

    async def _apply(self, settings: Settings) -> None:
        for apply in self._on_change:
            apply(settings)


def _fingerprints(paths: Iterable[Path]) -> dict[Path, _Fingerprint]:
    return {path: _fingerprint(path) for path in paths}


def _fingerprint(path: Path) -> _Fingerprint:
    try:
        found = path.stat()
    except OSError:
        return None
    return os.path.realpath(path), found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size
