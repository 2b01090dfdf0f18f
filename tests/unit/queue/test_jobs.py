"""Writing to a store that may be away."""

import pytest
from structlog.testing import capture_logs

from sidecar.model.errors import StoreUnavailable
from sidecar.queue.jobs import store_when_possible


async def _fails(error: Exception) -> None:
    raise error


async def test_a_store_that_is_away_is_logged_with_its_queue_and_nothing_else_is_caught() -> None:
    with capture_logs() as logs:
        await store_when_possible(_fails(StoreUnavailable("disk full")), {"policy": "prj/ci"})
    assert [(line["event"], line["error"], line["policy"]) for line in logs] == [
        ("store.unavailable", "disk full", "prj/ci")
    ]
    with pytest.raises(ValueError, match="bug"):
        await store_when_possible(_fails(ValueError("bug")), {})
