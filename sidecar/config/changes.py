"""Which changed settings take effect at once, and which need a restart."""

from dataclasses import dataclass, fields
from typing import Final

from sidecar.config.settings import Settings

#: Sockets are bound, processes started and the store opened once. Setting => key of harbor.yml.
RESTART: Final = {
    "listen_proxy": "listen.proxy",
    "listen_admin": "listen.admin",
    "workers": "workers",
    "data_volume": "data_volume",
}
_KEYS: Final = {"log_level": "log.level", "policies": "projects[].webhook_policies"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Keys of harbor.yml whose values differ."""

    at_once: tuple[str, ...]
    at_restart: tuple[str, ...]


def compare(old: Settings, new: Settings) -> Changes:
    changed = [
        field.name
        for field in fields(Settings)
        if field.compare and getattr(old, field.name) != getattr(new, field.name)
    ]
    return Changes(
        at_once=tuple(_KEYS.get(name, name) for name in changed if name not in RESTART),
        at_restart=tuple(RESTART[name] for name in changed if name in RESTART),
    )
