"""When a target is away, and when it is back. Pure: results and times are handed in.

A target that fails again and again is left alone for a while, so that many such targets cost little;
what comes for it meanwhile waits and uses up no attempts.

After an outage deliveries wait, some for hours. Once the target accepts one they need not: all that
failed for its absence is due at once, and the window keeps it from being a stampede. A delivery that the
target refuses while it accepts others is not helped by that, and keeps its schedule.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sidecar.model.delivery import Accepted, AttemptResult, Rejected

#: What is over sooner is left to the schedule.
SHORTEST_S: Final = 30.0
#: So many failures in a row are nothing to rest for.
MOST_IN_A_ROW: Final = 4
LONGEST_PAUSE_S: Final = 60.0
_EVER: Final = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Recovery:
    """A target accepts again."""

    away_since: datetime  #: when it had last accepted something
    back_at: datetime


@dataclass(slots=True)
class Outage:
    """Follows one target."""

    failing_since_s: float | None = None  #: this and all seconds: of a clock that is never set
    well_at: datetime = _EVER  #: when it last accepted something
    failing_since: datetime | None = (
        None  #: the same by the wall clock, for people; None when nobody remembers
    )
    in_a_row: int = 0  #: attempts that failed since, one begun after the other had failed
    _failed_s: float = -math.inf

    @classmethod
    def unknown(cls) -> "Outage":
        """For a target that deliveries wait for, nobody remembers why."""
        return cls(-math.inf)

    def pause_s(self, first_wait_s: float, *, longest_s: float = LONGEST_PAUSE_S) -> float:
        """How long to leave the target alone now: the schedule's first wait, doubled with each failure."""
        if self.in_a_row <= MOST_IN_A_ROW:
            return 0.0
        doublings = min(self.in_a_row - MOST_IN_A_ROW - 1, 16)
        return float(min(first_wait_s * 2**doublings, longest_s))

    def note(self, result: AttemptResult, *, began_s: float, ended_s: float, at: datetime) -> Recovery | None:
        """Take notice of an attempt that ended `at`; answers what it put an end to."""
        if isinstance(result, Accepted):
            return self._is_well(ended_s, at)
        if _is_away(result):
            if self.failing_since_s is None:
                self.failing_since_s = ended_s
            self.failing_since = self.failing_since or at
            if began_s >= self._failed_s:
                self.in_a_row, self._failed_s = self.in_a_row + 1, ended_s
        return None

    def forgive(self) -> None:
        """Ask as if nothing had failed."""
        self.in_a_row = 0

    def _is_well(self, ended_s: float, at: datetime) -> Recovery | None:
        failing_since_s, away_since = self.failing_since_s, self.well_at
        self.failing_since_s, self.failing_since, self.well_at = None, None, at
        self.in_a_row, self._failed_s = 0, -math.inf
        if failing_since_s is None or ended_s - failing_since_s < SHORTEST_S:
            return None
        return Recovery(away_since, at)


def _is_away(result: AttemptResult) -> bool:
    return not isinstance(result, Rejected) or result.is_away
