"""How what happened decides how a queue goes on."""

import asyncio

from sidecar.queue.circuit_breaker import MOST_IN_A_ROW, AttemptOutcome
from sidecar.queue.pace import LARGEST_BATCH, Pace, QueueSettings
from sidecar.queue.window import SharedSlots
from tests.unit.queue.errands import now


def a_pace(*, concurrency: int = 16, is_left_over: bool = False) -> Pace:
    settings = QueueSettings(
        concurrency=concurrency,
        shared=SharedSlots(100),
        closing_grace_s=1,
        longest_pause_s=7000.0,
        now=now,
    )
    return Pace(settings, is_left_over=is_left_over)


def note(pace: Pace, outcome: AttemptOutcome) -> bool:
    return pace.note(outcome, began_s=asyncio.get_running_loop().time(), first_wait_s=lambda: 5000.0)


async def test_batches_grow_with_success_to_a_bound_and_shrink_with_a_failure() -> None:
    pace = a_pace()
    batches = [pace.batch]
    for outcome in [AttemptOutcome.SUCCEEDED] * 4 + [AttemptOutcome.AWAY]:
        note(pace, outcome)
        batches.append(pace.batch)
    assert batches == [4, 16, 64, 256, LARGEST_BATCH, 4]


async def test_a_pause_begins_with_too_many_failures_in_a_row_and_is_bounded() -> None:
    pace = a_pace()
    assert not any(note(pace, AttemptOutcome.AWAY) for _ in range(MOST_IN_A_ROW))
    assert pace.pause_left_s() <= 0
    assert note(pace, AttemptOutcome.AWAY)
    assert 0 < pace.pause_left_s() <= 5000.0
    for _ in range(9):
        note(pace, AttemptOutcome.AWAY)
    assert 5000.0 < pace.pause_left_s() <= 7000.0


async def test_beginning_afresh_ends_the_pause_and_takes_another_concurrency() -> None:
    pace = a_pace(concurrency=4)
    for _ in range(MOST_IN_A_ROW + 1):
        note(pace, AttemptOutcome.AWAY)
    pace.begin_afresh()
    assert pace.pause_left_s() <= 0
    assert not note(pace, AttemptOutcome.AWAY)


async def test_the_first_success_of_a_left_over_queue_is_a_recovery() -> None:
    pace = a_pace(is_left_over=True)
    assert pace.recovery is None
    assert note(pace, AttemptOutcome.SUCCEEDED)
    assert pace.recovery
    assert not note(a_pace(), AttemptOutcome.SUCCEEDED)
