"""When a target was away and is back. Pure: results and times are handed in.

After an outage deliveries wait, some for hours. Once the target accepts one they need not: all that
failed for its absence is due at once, and the window keeps it from being a stampede. A delivery that the
target refuses while it accepts others is not helped by that, and keeps its schedule.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sidecar.delivery import Accepted, AttemptResult, Rejected

#: What is over sooner is left to the schedule.
SHORTEST_S: Final = 30.0
_EVER: Final = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Recovery:
    """A target accepts again."""

    away_since: datetime  #: when it had last accepted something
    back_at: datetime


@dataclass(slots=True)
class Outage:
    """Follows one target."""

    failing_since: datetime | None = None
    well_at: datetime = _EVER

    @classmethod
    def unknown(cls) -> "Outage":
        """For a target that deliveries wait for, nobody remembers why."""
        return cls(_EVER)

    def note(self, result: AttemptResult, *, at: datetime) -> Recovery | None:
        """Take notice of an attempt that ended then; answers what it put an end to."""
        if not isinstance(result, Accepted):
            if _is_away(result):
                self.failing_since = self.failing_since or at
            return None
        failing_since, away_since = self.failing_since, self.well_at
        self.failing_since, self.well_at = None, at
        if failing_since is None or (at - failing_since).total_seconds() < SHORTEST_S:
            return None
        return Recovery(away_since, at)


def _is_away(result: AttemptResult) -> bool:
    return not isinstance(result, Rejected) or result.is_away
