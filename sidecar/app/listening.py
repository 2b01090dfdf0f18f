"""The two listeners: for clients of the registry, and for operators of the sidecar."""

from typing import Final

from aiohttp import web

from sidecar.app import starting
from sidecar.app.parts import Part
from sidecar.proxy.proxy import Proxy

#: Less than Kubernetes' 30 s, so that the store is closed before SIGKILL.
_GRACE_S: Final = 20.0


class ProxyListener(Part):
    """Clients' requests; before it closes, requests in progress and their recording are completed."""

    def __init__(
        self, proxy: Proxy, address: tuple[str, int], *, file_name: str, is_shared: bool, is_main: bool
    ) -> None:
        """`is_shared` among several processes; the main one ensures that nobody else has the port."""
        self._proxy = proxy
        self._address = address
        self._file_name = file_name
        self._is_shared = is_shared
        self._is_main = is_main

    async def start(self) -> None:
        await self._proxy.start()
        self._runner = web.ServerRunner(self._proxy.server(), shutdown_timeout=_GRACE_S)
        await _listen(
            self._runner,
            self._address,
            file_name=self._file_name,
            key="listen.proxy",
            is_shared=self._is_shared,
            must_be_free=self._is_shared and self._is_main,
        )

    async def close(self) -> None:
        for site in tuple(self._runner.sites):
            await site.stop()
        await self._proxy.close(_GRACE_S)
        await self._runner.cleanup()


class AdminListener(Part):
    """Health and metrics, also while the other parts stop."""

    def __init__(self, application: web.Application, address: tuple[str, int], *, file_name: str) -> None:
        self._runner = web.AppRunner(application, access_log=None)
        self._address = address
        self._file_name = file_name

    async def start(self) -> None:
        await _listen(self._runner, self._address, file_name=self._file_name, key="listen.admin")

    async def close(self) -> None:
        await self._runner.cleanup()


async def _listen(
    runner: web.BaseRunner,
    address: tuple[str, int],
    *,
    file_name: str,
    key: str,
    is_shared: bool = False,
    must_be_free: bool = False,
) -> None:
    await runner.setup()
    host, port = address
    try:
        for each in starting.hosts_of(host):
            if must_be_free:
                await starting.prove_free(each, port)
            await web.TCPSite(runner, each, port, reuse_port=is_shared or None, backlog=1024).start()
    except (OSError, ValueError, OverflowError) as exc:
        await runner.cleanup()
        raise starting.cannot_listen(file_name, key, address_text(address), exc) from exc


def address_text(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
