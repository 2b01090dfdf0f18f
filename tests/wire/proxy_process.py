"""The proxy alone in a process of its own, with every operation observed and nothing kept.

python -m tests.wire.proxy_process UPSTREAM_URL PORT [uvloop]
"""

import asyncio
import sys
from datetime import datetime

from aiohttp import web

from sidecar.model.admission import ADMITTED, AdmissionRequest, Admitted
from sidecar.model.exchange import Client, Exchange
from sidecar.model.names import Digest, Repository
from sidecar.model.operation import Operation
from sidecar.proxy import Hooks, Proxy, ProxySettings


async def _admit(request: AdmissionRequest) -> Admitted:
    return ADMITTED


async def _record(exchange: Exchange) -> None:
    pass


def _is_observed(operation: Operation) -> bool:
    return True


def _wants_oci_chart(repository: Repository) -> bool:
    return False


def _saw(client: Client, repository: Repository, began_at: datetime) -> None:
    pass


def _saw_blob(client: Client, repository: Repository, digest: Digest) -> None:
    pass


async def serve(upstream_url: str, port: int) -> None:
    hooks = Hooks(
        is_observed=_is_observed,
        wants_oci_chart=_wants_oci_chart,
        admit=_admit,
        record=_record,
        saw_blob=_saw_blob,
        saw_upload=_saw,
    )
    proxy = Proxy(ProxySettings(registry_url=upstream_url, chart_repository_url=upstream_url), hooks)
    await proxy.start()
    runner = web.ServerRunner(proxy.server())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    if "uvloop" in sys.argv:
        import uvloop

        uvloop.run(serve(sys.argv[1], int(sys.argv[2])))
    else:
        asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
