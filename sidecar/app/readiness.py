"""The checks of /readyz."""

import asyncio
from collections.abc import Callable

from sidecar.admin import Check, Readiness
from sidecar.app import wiring
from sidecar.app.stages import Stages
from sidecar.store.file import files_put_aside
from sidecar.store.schema import DATABASE_FILE
from sidecar.upstreams.client import probe


def readiness_of(stages: Stages, *, is_draining: Callable[[], bool]) -> Readiness:
    settings = stages.settings

    async def store() -> str:
        return stages.store.health.error

    async def store_files() -> str:
        """Reports a file that was put aside: events may have been lost with it, so a person should look until it is gone."""
        found = await asyncio.to_thread(files_put_aside, settings.data_volume / DATABASE_FILE)
        return f"damaged and put aside: {', '.join(found)}" if found else ""

    async def charts() -> str:
        upstream = wiring.charts_client(stages.settings)
        return await probe(upstream) if upstream else ""

    checks = {
        "registry": Check(lambda: probe(wiring.registry_client(stages.settings))),
        "store": Check(store, is_required=settings.strict),
        "store_files": Check(store_files, is_required=False),
    }
    if settings.chart_repository:
        checks["chart_repository"] = Check(charts, is_required=False)
    return Readiness(checks, is_draining=is_draining)
