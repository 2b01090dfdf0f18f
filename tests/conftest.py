"""What holds for every tier."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support import process

# Machines that run tests are busy: an example that takes long once is not a fault. pytest-timeout ends
# what hangs.
settings.register_profile("busy", deadline=None)
settings.load_profile("busy")


SLOW_TIERS = ("clients", "crash", "slow")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fast", action="store_true", help="start no program from outside, and leave out what takes long"
    )


def pytest_configure(config: pytest.Config) -> None:
    process.LEFT_OUT = config.getoption("--fast")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--fast"):
        return
    left_out = [item for item in items if any(map(item.get_closest_marker, SLOW_TIERS))]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Each process of `-n` has to give a test the same name, and gzip writes down when it was made."""
    return f"{argname}-gzip" if isinstance(val, bytes) and val.startswith(b"\x1f\x8b") else None


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Tests that were all skipped are no tests, which pytest itself takes for success."""
    if hasattr(session.config, "workerinput") or session.config.option.collectonly:
        return
    if exitstatus == pytest.ExitCode.OK and not _ran(session):
        session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED


def _ran(session: pytest.Session) -> bool:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    return bool(reporter and (reporter.stats.get("passed") or reporter.stats.get("xfailed")))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """A program that is missing skips what asked for it.

    With NO_SKIPS=1 a skipped test is a failed one: CI has all that the tests need.
    """
    if call.excinfo and isinstance(call.excinfo.value, process.NotInstalledError):
        missing = pytest.skip.Exception(str(call.excinfo.value), _use_item_location=True)
        call.excinfo = pytest.ExceptionInfo.from_exception(missing.with_traceback(call.excinfo.tb))
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.skipped and os.environ.get("NO_SKIPS") == "1" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and NO_SKIPS is set: {report.longrepr}"
