"""When whoever does a queue's work is away, and when it is back. Pure: outcomes and times are handed in.

A queue that fails again and again is left alone for a while, so that many such queues cost little;
what comes for it meanwhile waits and uses up no attempts.

While the other side is away jobs wait, some for hours. Once it takes one they need not: all that failed
for its absence is due at once, and the window keeps it from being a stampede. A job that is declined
while others are taken is not helped by that, and keeps its schedule.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Final

#: What is over sooner is left to the schedule.
SHORTEST_S: Final = 30.0
#: So many failures in a row are nothing to pause for.
MOST_IN_A_ROW: Final = 4
LONGEST_PAUSE_S: Final = 60.0
_EVER: Final = datetime.fromtimestamp(0, UTC)


class AttemptOutcome(Enum):
    """What an attempt says of whoever does the work."""

    SUCCEEDED = auto()  #: it takes jobs
    AWAY = auto()  #: it takes nothing at all
    DECLINED = auto()  #: it did not take this job, which says nothing of others


@dataclass(frozen=True, slots=True)
class Recovery:
    """The other side takes jobs again."""

    away_since: datetime  #: when it had last taken one
    back_at: datetime


@dataclass(slots=True)
class CircuitBreaker:
    """Follows one queue. Seconds are those of a clock that is never set."""

    failing_since_s: float | None = None
    well_at: datetime = _EVER  #: when the last attempt succeeded
    failing_since: datetime | None = None  #: by the wall clock, for people; None when nobody remembers
    in_a_row: int = 0  #: attempts that failed since, one begun after the other had failed
    paused_until_s: float = 0.0
    _failed_s: float = -math.inf

    @classmethod
    def unknown(cls) -> "CircuitBreaker":
        """For a queue that jobs wait in, nobody remembers why."""
        return cls(-math.inf)

    def pause_s(self, first_wait_s: float, *, longest_s: float = LONGEST_PAUSE_S) -> float:
        """How long to leave the queue alone now: the schedule's first wait, doubled with each failure."""
        if self.in_a_row <= MOST_IN_A_ROW:
            return 0.0
        doublings = min(self.in_a_row - MOST_IN_A_ROW - 1, 16)
        return float(min(first_wait_s * 2**doublings, longest_s))

    def note(
        self, outcome: AttemptOutcome, *, began_s: float, ended_s: float, at: datetime
    ) -> Recovery | None:
        """Take notice of an attempt that ended `at`; returns what it put an end to."""
        if outcome is AttemptOutcome.SUCCEEDED:
            return self._is_well(ended_s, at)
        if outcome is AttemptOutcome.AWAY:
            if self.failing_since_s is None:
                self.failing_since_s = ended_s
            self.failing_since = self.failing_since or at
            if began_s >= self._failed_s:
                self.in_a_row, self._failed_s = self.in_a_row + 1, ended_s
        return None

    def forgive(self) -> None:
        """Go on as if nothing had failed."""
        self.in_a_row = 0
        self.paused_until_s = 0.0

    def _is_well(self, ended_s: float, at: datetime) -> Recovery | None:
        failing_since_s, away_since = self.failing_since_s, self.well_at
        self.failing_since_s, self.failing_since, self.well_at = None, None, at
        self.in_a_row, self._failed_s = 0, -math.inf
        if failing_since_s is None or ended_s - failing_since_s < SHORTEST_S:
            return None
        return Recovery(away_since, at)
