"""The real servers: Docker registries, ChartMuseum, and the sidecar in front of them.

with Registry(tmp_path / "registry") as registry, Sidecar(tmp_path / "sidecar", registry=registry.url) as it:
    ...
"""

import json
import os
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import bcrypt
import yaml

from tests.support.process import ROOT, Process, answers, environment, find_program, free_port
from tests.support.token_server import TokenServer

Json = dict[str, Any]
Version = Literal["3", "2.8"]
ADMIN_PASSWORD = "Harbor12345"


@dataclass(frozen=True, slots=True)
class Credentials:
    user: str
    password: str

    @property
    def pair(self) -> tuple[str, str]:
        return self.user, self.password


def write_htpasswd(path: Path, users: Iterable[Credentials]) -> Path:
    lines = (
        f"{user.user}:{bcrypt.hashpw(user.password.encode(), bcrypt.gensalt(4)).decode()}\n" for user in users
    )
    path.write_text("".join(lines))
    return path


class Registry(Process):
    """distribution v3 or Debian's docker-registry 2.8: open, with htpasswd, or with a token server."""

    name = "registry"

    def __init__(
        self,
        folder: Path,
        *,
        version: Version = "3",
        users: Sequence[Credentials] = (),
        tokens: TokenServer | None = None,
        storage: Literal["inmemory", "filesystem"] = "inmemory",
        root: Path | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """With `users` it asks for Basic credentials; `settings` replace sections of its configuration.

        With `root` it keeps its files there, which may be another file system.
        """
        super().__init__(folder)
        self._root = root
        self.program = find_program("registry" if version == "3" else "docker-registry")
        self.port = free_port()
        self.configuration = folder / "registry.yml"
        document = self._settings(users, tokens, storage) | dict(settings or {})
        self.configuration.write_text(yaml.safe_dump(document))

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def _settings(self, users: Sequence[Credentials], tokens: TokenServer | None, storage: str) -> Json:
        return {
            "version": 0.1,
            "log": {"level": "info", "accesslog": {"disabled": True}},
            "storage": {**self._storage(storage), "delete": {"enabled": True}},
            "http": {"addr": self.host, "secret": "fixed"},
            **self._auth(users, tokens),
        }

    def _storage(self, storage: str) -> Json:
        if self._root is None and storage != "filesystem":
            return {storage: {}}
        return {"filesystem": {"rootdirectory": str(self._root or self.folder / "data")}}

    def _auth(self, users: Sequence[Credentials], tokens: TokenServer | None) -> Json:
        if tokens is not None:
            return {"auth": {"token": tokens.registry_settings}}
        if not users:
            return {}
        path = write_htpasswd(self.folder / "htpasswd", users)
        return {"auth": {"htpasswd": {"realm": "registry", "path": str(path)}}}

    def command(self) -> Sequence[str]:
        return self.program, "serve", str(self.configuration)

    def environment(self) -> Mapping[str, str]:
        # The S3 driver of 2.8 refuses to start when the machine names certificates of its own.
        return environment(OTEL_TRACES_EXPORTER="none", AWS_CA_BUNDLE="")

    def is_ready(self) -> bool:
        return answers(f"{self.url}/v2/", 200, 401)


class ChartMuseum(Process):
    """ChartMuseum on local storage, in `root` when it is given, else below its folder.

    It holds `max_storage_objects` files and takes uploads of `max_upload_size` bytes; ChartMuseum takes 0 for
    no limit, and its default for the second is 20 MiB. Further `flags` are its own, without the dashes in front.
    """

    name = "chartmuseum"

    def __init__(
        self,
        folder: Path,
        *,
        depth: int | Literal["dynamic"] = 1,
        user: Credentials | None = None,
        root: Path | None = None,
        max_storage_objects: int | None = None,
        max_upload_size: int | None = None,
        **flags: Any,
    ) -> None:
        super().__init__(folder)
        self.root = root or folder / "charts"
        limits = {"max_storage_objects": max_storage_objects, "max_upload_size": max_upload_size}
        flags |= {name: limit for name, limit in limits.items() if limit is not None}
        self.program = find_program("chartmuseum")
        self.port = free_port()
        self._flags: list[str] = ["--depth-dynamic"] if depth == "dynamic" else [f"--depth={depth}"]
        if user:
            self._flags += [f"--basic-auth-user={user.user}", f"--basic-auth-pass={user.password}"]
        for name, value in flags.items():
            flag = f"--{name.replace('_', '-')}"
            self._flags.append(flag if value is True else f"{flag}={value}")
        self.context_path = str(flags.get("context_path", ""))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.context_path}"

    def command(self) -> Sequence[str]:
        storage = ["--storage=local", f"--storage-local-rootdir={self.root}"]
        return [self.program, f"--port={self.port}", "--listen-host=127.0.0.1", *storage, *self._flags]

    def is_ready(self) -> bool:
        return answers(f"{self.url}/health", 200)


def policy(address: str, *, event_types: Sequence[str] = (), **target: Any) -> Json:
    """A webhook policy with one target."""
    chosen = {"event_types": list(event_types)} if event_types else {}
    return {
        "name": "receiver",
        "enabled": True,
        **chosen,
        "targets": [{"type": "http", "address": address, **target}],
    }


class Sidecar(Process):
    """`python -m sidecar serve` in front of the given upstreams."""

    name = "sidecar"

    def __init__(
        self,
        folder: Path,
        *,
        registry: str,
        chart_repository: str | None = None,
        depth: int | Literal["dynamic"] = 1,
        projects: Sequence[Json] = (),
        mode: Literal["grouped", "exact"] = "grouped",
        proxy_port: int | None = None,
        admin_port: int | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """`settings` replace or add keys of harbor.yml; see `harbor_yml` for what is there before."""
        super().__init__(folder)
        self.proxy_port, self.admin_port = proxy_port or free_port(), admin_port or free_port()
        self.configuration = folder / "harbor.yml"
        self.harbor_yml: Json = {
            "hostname": self.host,
            "external_url": self.url,
            "listen": {"proxy": self.host, "admin": f"127.0.0.1:{self.admin_port}"},
            "registry": {"url": registry},
            "data_volume": str(folder / "data"),
            "harbor_admin_password": ADMIN_PASSWORD,
            "notification": {"enabled": True},
            "events": {"mode": mode},
            "projects": list(projects),
        }
        if chart_repository:
            self.harbor_yml["chart_repository"] = {"url": chart_repository, "depth": depth}
        self.harbor_yml |= dict(settings or {})
        (folder / "data").mkdir(exist_ok=True)
        self.write_configuration()

    @property
    def host(self) -> str:
        """What a client writes before the repository."""
        return f"127.0.0.1:{self.proxy_port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    @property
    def admin_url(self) -> str:
        return f"http://127.0.0.1:{self.admin_port}"

    def write_configuration(self) -> None:
        """Replace harbor.yml in one step, as a mounted file changes."""
        draft = self.configuration.with_suffix(".draft")
        draft.write_text(yaml.safe_dump(self.harbor_yml, sort_keys=False))
        draft.rename(self.configuration)

    def command(self) -> Sequence[str]:
        return sys.executable, "-m", "sidecar", "serve", "--config", str(self.configuration)

    def environment(self) -> Mapping[str, str]:
        # `-m` takes its modules from the working directory, but workers of its own may be started elsewhere.
        return environment(PYTHONPATH=str(ROOT), PYTHONUNBUFFERED="1")

    def is_ready(self) -> bool:
        return answers(f"{self.admin_url}/readyz", 200)

    def terminate(self, timeout_s: float = 20) -> int:
        """SIGTERM and wait; the exit status. It is an error to take longer."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout_s)

    def reload(self) -> None:
        self.write_configuration()
        os.kill(self.pid, signal.SIGHUP)

    def restart(self) -> None:
        """Start again, with the same ports and data; end it first, when it still runs."""
        if self.process.poll() is None:
            self.terminate()
        self.start()

    def logged(self, event: str = "") -> list[Json]:
        """Its log lines of that event, or all."""
        lines = [json.loads(line) for line in self.log_lines() if line.startswith("{")]
        return [line for line in lines if not event or line.get("event") == event]
