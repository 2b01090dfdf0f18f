"""What holds for every tier."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

# Machines that run tests are busy: an example that takes long once is not a fault. pytest-timeout ends
# what hangs.
settings.register_profile("busy", deadline=None)
settings.load_profile("busy")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """With NO_SKIPS=1 a skipped test is a failed one: CI has all that the tests need."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.skipped and os.environ.get("NO_SKIPS") == "1" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and NO_SKIPS is set: {report.longrepr}"
