"""What the log and whoever counts hear of an attempt."""

from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from sidecar.dispatcher.reporting import tell
from sidecar.dispatcher.schedule import Verdict
from sidecar.model.delivery import Accepted, Attempt, AttemptResult, DeliveryState, Rejected, Unreachable
from tests.support.builders import START
from tests.unit.store.test_outbox import a_delivery, an_event

DELIVERED, WAITING, GIVEN_UP = DeliveryState.DELIVERED, DeliveryState.WAITING, DeliveryState.GIVEN_UP


@dataclass
class Counted:
    attempts: list[tuple[AttemptResult, float]] = field(default_factory=list)
    ended: list[DeliveryState] = field(default_factory=list)

    def attempt_finished(self, result: AttemptResult, duration_s: float) -> None:
        self.attempts.append((result, duration_s))

    def delivery_ended(self, state: DeliveryState, number: int = 1) -> None:
        self.ended += [state] * number


@pytest.mark.parametrize(
    ("result", "verdict", "lines", "ended"),
    [
        (Accepted(204), Verdict(DELIVERED), [("debug", "delivery.delivered", None)], [DELIVERED]),
        (Rejected(503), Verdict(WAITING, START), [("warning", "attempt.failed", "answered 503")], []),
        (
            Unreachable("connection refused"),
            Verdict(GIVEN_UP),
            [("warning", "attempt.failed", "connection refused"), ("error", "delivery.given_up", None)],
            [GIVEN_UP],
        ),
        (
            Rejected(410),
            Verdict(GIVEN_UP, is_target_gone=True),
            [
                ("warning", "attempt.failed", "answered 410"),
                ("error", "delivery.given_up", None),
                (
                    "error",
                    "target.disabled",
                    "answered 410 Gone; used again when its address changes, or by sidecar enable-target",
                ),
            ],
            [GIVEN_UP],
        ),
    ],
)
def test_what_is_told(
    result: AttemptResult,
    verdict: Verdict,
    lines: list[tuple[str, str, str | None]],
    ended: list[DeliveryState],
) -> None:
    delivery, counted = a_delivery(an_event()), Counted()
    attempt = Attempt(delivery_id=delivery.id, number=3, started_at=START, duration_ms=12.34, result=result)
    with capture_logs() as logs:
        tell(delivery, attempt, verdict, host=lambda: "ci.example", observer=counted)
    assert [(line["log_level"], line["event"], line.get("error")) for line in logs] == lines
    assert (counted.attempts, counted.ended) == ([(result, 0.01234)], ended)
    for line in logs[:1] if isinstance(result, Accepted) else []:
        assert line["delivery_id"] == delivery.id
    for line in [] if isinstance(result, Accepted) else logs:
        assert line["delivery_id"] == str(delivery.id)
        assert (line["policy"], line["target_host"], line["attempt"]) == ("prj/fast", "ci.example", 3)
