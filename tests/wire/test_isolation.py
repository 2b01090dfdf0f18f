"""Bad targets beside good ones: the good ones, the clients and the memory must not notice.

`python -m bench isolation` does the same with 1,000 targets.
"""

from collections.abc import Sequence

import pytest

from bench.figures import percentile, table
from bench.isolation import TITLE, Run, compare, figures
from tests.support.process import require_program

_TARGETS = 100
_PUSHES = 30
_PAUSE_S = 0.1
#: Both runs share the machine with whatever else goes on: a bad target costs seconds, noise far less.
_NOISE = 3.0
_NOISE_S = 0.3
_MEMORY_MIB = 40


@pytest.fixture(scope="module")
def runs() -> tuple[Run, Run]:
    require_program("registry", "docker-registry")
    without, with_bad = compare(targets=_TARGETS, pushes=_PUSHES, pause_s=_PAUSE_S)
    print(table(TITLE, figures(without, with_bad)))
    return without, with_bad


def assert_no_slower(own_s: Sequence[float], without_s: Sequence[float]) -> None:
    for fraction in (0.5, 0.99):
        limit_s = percentile(without_s, fraction) * _NOISE + _NOISE_S
        assert percentile(own_s, fraction) < limit_s, f"{fraction:.0%} of {len(own_s)}"


def test_every_good_target_gets_every_event(runs: tuple[Run, Run]) -> None:
    assert [run.missing for run in runs] == [0, 0]


def test_good_targets_get_their_events_as_soon_as_without_the_bad_ones(runs: tuple[Run, Run]) -> None:
    without, with_bad = runs
    assert_no_slower(with_bad.delays_s, without.delays_s)


def test_bad_targets_do_not_slow_pushes_and_pulls(runs: tuple[Run, Run]) -> None:
    without, with_bad = runs
    assert_no_slower(with_bad.pushes.durations_s, without.pushes.durations_s)
    assert_no_slower(with_bad.pulls.durations_s, without.pulls.durations_s)


def test_bad_targets_take_a_bounded_amount_of_memory(runs: tuple[Run, Run]) -> None:
    assert runs[1].usage.grown_mib < _MEMORY_MIB
