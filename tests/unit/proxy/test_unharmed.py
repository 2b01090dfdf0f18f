from structlog.testing import capture_logs

from sidecar.proxy.unharmed import unharmed, unharmed_work


async def test_faults_of_hooks_are_logged_and_end_here() -> None:
    def fail(_: int) -> bool:
        raise ValueError("no")

    async def fail_later() -> None:
        raise ValueError("no")

    with capture_logs() as logs:
        assert unharmed(fail, 1) is None
        await unharmed_work(fail_later())
    assert [entry["event"] for entry in logs] == ["hook.failed", "hook.failed"]
