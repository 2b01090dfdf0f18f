import asyncio
from collections.abc import Awaitable, Callable

from sidecar.admin.health import Check, Readiness

Probe = Callable[[], Awaitable[str]]


def _answers(reason: str) -> Probe:
    async def probe() -> str:
        return reason

    return probe


def _readiness(*, draining: bool = False, timeout_s: float = 1.0, **checks: Check) -> Readiness:
    return Readiness(checks, is_draining=lambda: draining, timeout_s=timeout_s)


async def test_all_well() -> None:
    report = await _readiness(registry=Check(_answers("")), store=Check(_answers(""))).report()
    assert report.status == 200
    assert report.body == {
        "status": "ready",
        "checks": {"registry": "ok", "store": "ok", "draining": False},
    }


async def test_a_required_check_that_fails_makes_unready() -> None:
    report = await _readiness(registry=Check(_answers("refused")), store=Check(_answers(""))).report()
    assert report.status == 503
    assert report.body == {
        "status": "unavailable",
        "checks": {"registry": "refused", "store": "ok", "draining": False},
    }


async def test_other_trouble_is_named_and_traffic_comes() -> None:
    report = await _readiness(
        registry=Check(_answers("")), store=Check(_answers("disk full"), is_required=False)
    ).report()
    assert report.status == 200
    assert report.body["status"] == "degraded"
    assert report.body["checks"]["store"] == "disk full"


async def test_draining_makes_unready_at_once() -> None:
    draining = False
    readiness = Readiness({"registry": Check(_answers(""))}, is_draining=lambda: draining)
    assert (await readiness.report()).status == 200
    draining = True
    report = await readiness.report()
    assert (report.status, report.body["checks"]["draining"]) == (503, True)


async def test_a_check_that_does_not_answer_fails() -> None:
    async def silent() -> str:
        await asyncio.sleep(60)
        return ""

    report = await _readiness(registry=Check(silent), timeout_s=0.01).report()
    assert report.body["checks"]["registry"] == "no answer within 0.01 s"


async def test_a_check_that_raises_fails_without_its_text() -> None:
    async def wrong() -> str:
        raise RuntimeError("sekrit")

    report = await _readiness(registry=Check(wrong)).report()
    assert report.status == 503
    assert report.body["checks"]["registry"] == "the check itself failed; see the log"


async def test_reasons_hold_no_credentials() -> None:
    report = await _readiness(registry=Check(_answers("no answer of http://u:sekrit@h/"))).report()
    assert report.body["checks"]["registry"] == "no answer of http://***@h/"


async def test_checks_are_asked_once_a_second_however_many_ask() -> None:
    asked = 0
    now = 100.0

    async def probe() -> str:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        return ""

    readiness = Readiness({"registry": Check(probe)}, is_draining=lambda: False, monotonic=lambda: now)
    await asyncio.gather(*(readiness.report() for _ in range(10)))
    assert asked == 1
    now = 100.9
    await readiness.report()
    assert asked == 1
    now = 101.0
    await readiness.report()
    assert asked == 2
