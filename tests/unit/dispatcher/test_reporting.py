"""Attempts and deliveries in the log, and counted."""

from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from sidecar.dispatcher.decision import Decision
from sidecar.dispatcher.reporting import Reporter
from sidecar.model.delivery import (
    Accepted,
    Attempt,
    AttemptResult,
    DeliveryState,
    Rejected,
    TargetKey,
    Unreachable,
)
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
    ("result", "decision", "lines", "ended"),
    [
        (Accepted(204), Decision(DELIVERED), [("debug", "delivery.delivered", None)], [DELIVERED]),
        (Rejected(503), Decision(WAITING, START), [("warning", "attempt.failed", "answered 503")], []),
        (
            Unreachable("connection refused"),
            Decision(GIVEN_UP),
            [("warning", "attempt.failed", "connection refused"), ("error", "delivery.given_up", None)],
            [GIVEN_UP],
        ),
        (
            Rejected(410),
            Decision(GIVEN_UP, is_target_gone=True),
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
def test_what_is_reported(
    result: AttemptResult,
    decision: Decision,
    lines: list[tuple[str, str, str | None]],
    ended: list[DeliveryState],
) -> None:
    delivery, counted = a_delivery(an_event()), Counted()
    attempt = Attempt(delivery_id=delivery.id, number=3, started_at=START, duration_ms=12.34, result=result)
    with capture_logs() as logs:
        Reporter(counted, lambda key: f"{key.policy_id}.example").attempt_finished(
            delivery, attempt, decision
        )
    assert [(line["log_level"], line["event"], line.get("error")) for line in logs] == lines
    assert (counted.attempts, counted.ended) == ([(result, 0.01234)], ended)
    for line in logs[:1] if isinstance(result, Accepted) else []:
        assert line["delivery_id"] == delivery.id
    for line in [] if isinstance(result, Accepted) else logs:
        assert line["delivery_id"] == str(delivery.id)
        assert (line["policy"], line["target_host"], line["attempt"]) == ("prj/fast", "prj/fast.example", 3)


def test_cancelled_deliveries_are_counted_and_none_is_nothing_to_say() -> None:
    counted = Counted()
    reporter, target = Reporter(counted, lambda _: ""), TargetKey(policy_id="prj/ci", target_id="0")
    with capture_logs() as logs:
        reporter.cancelled(target, 0, "the policy is disabled")
        reporter.cancelled(target, 2, "the policy is disabled")
    (line,) = logs
    assert (line["event"], line["policy"], line["number"]) == ("delivery.cancelled", "prj/ci", 2)
    assert counted.ended == [DeliveryState.CANCELLED] * 2
