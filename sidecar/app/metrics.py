"""What Prometheus scrapes: `sidecar_<noun>_<unit>[_total]`, every label from a short fixed list.

One Metrics per process, made by app and passed on. Values that are known elsewhere (figures of the
store) are read at each scrape, with the functions of `watch`.
"""

import re
import time
from collections.abc import Callable
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from sidecar.model.delivery import Accepted, AttemptResult, DeliveryState, Rejected, Unreachable
from sidecar.model.event import EventType
from sidecar.model.operation import Operation
from sidecar.parsing.kinds import KINDS
from sidecar.parsing.pool import Reading

#: Registry requests take from a millisecond to the length of a large layer.
_REQUEST_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_ATTEMPT_BUCKETS: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_STATUS_CLASSES: Final = ("none", "1xx", "2xx", "3xx", "4xx", "5xx")
Reload = Literal["ok", "failed"]


class Metrics:
    """The counters; every method is cheap enough to be called for every request."""

    def __init__(self) -> None:
        self.registry: Final = CollectorRegistry()
        self._requests = self._counter(
            "requests", "Requests of clients, by operation and class of the status", ("operation", "status")
        )
        self._request_duration = self._histogram(
            "request_duration_seconds",
            "From a request's head to the end of its answer",
            _REQUEST_BUCKETS,
            "operation",
        )
        self._events = self._counter("events", "Events recorded", ("event_type",))
        self._events_lost = self._counter(
            "events_lost", "Events dropped because memory for them was full", ()
        )
        self._deliveries = self._counter("deliveries", "Deliveries that have ended", ("result",))
        self._readings = self._counter(
            "parser_jobs", "What clients wrote, read in parser processes", ("kind", "result")
        )
        self._attempts = self._counter("attempts", "Attempts to deliver", ("result",))
        self._attempt_duration = self._histogram(
            "attempt_duration_seconds", "From connecting to the end of the target's answer", _ATTEMPT_BUCKETS
        )
        self._reloads = self._counter("config_reloads", "Readings of a changed configuration", ("result",))
        self._reload_times = self._gauge(
            "config_reload_timestamp_seconds", "When the configuration was last read, by result", ("result",)
        )
        self._background_failures = self._counter(
            "background_failures",
            "Exceptions that nobody thought of, by what goes on all the same",
            ("task",),
        )
        self._start_known_labels()

    def background_failed(self, task: str) -> None:
        """`task` is one of a few names of our own."""
        self._background_failures.labels(task).inc()

    def request_finished(self, operation: Operation, status: int, duration_s: float) -> None:
        """A status of 0 means that the client left, or the upstream failed, before there was an answer."""
        name = operation_name(operation)
        self._requests.labels(name, status_class(status)).inc()
        self._request_duration.labels(name).observe(duration_s)

    def event_recorded(self, event_type: EventType) -> None:
        self._events.labels(event_type).inc()

    def events_lost(self, number: int = 1) -> None:
        self._events_lost.inc(number)

    def attempt_finished(self, result: AttemptResult, duration_s: float) -> None:
        self._attempts.labels(_result_name(result)).inc()
        self._attempt_duration.observe(duration_s)

    def delivery_ended(self, state: DeliveryState, number: int = 1) -> None:
        self._deliveries.labels(state).inc(number)

    def was_read(self, kind: str, reading: Reading) -> None:
        self._readings.labels(kind, reading).inc()

    def config_reloaded(self, result: Reload) -> None:
        self._reloads.labels(result).inc()
        self._reload_times.labels(result).set(time.time())

    def watch(
        self,
        *,
        deliveries_waiting: Callable[[], float],
        oldest_delivery_age_s: Callable[[], float],
        intents_open: Callable[[], float],
        events_held: Callable[[], float],
        events_in_memory: Callable[[], float],
        files_put_aside: Callable[[], float],
        store_up: Callable[[], float],
        targets_disabled: Callable[[], float],
    ) -> None:
        """Functions called at each scrape; they must return at once and not raise."""
        for name, meaning, answer in (
            ("deliveries_waiting", "Deliveries not ended yet", deliveries_waiting),
            ("delivery_oldest_age_seconds", "Age of the oldest one waiting, 0 = none", oldest_delivery_age_s),
            ("intents_open", "Write operations noted and not closed yet", intents_open),
            (
                "events_held",
                "Pushes and pulls held back until it is known what they belong to",
                events_held,
            ),
            ("events_in_memory", "Events in memory because the store is away", events_in_memory),
            ("store_files_put_aside", "Damaged database files put aside since the start", files_put_aside),
            ("targets_disabled", "Targets that answered 410 Gone and get nothing", targets_disabled),
            ("store_up", "1 while the store keeps events, else 0", store_up),
        ):
            self._gauge(name, meaning).set_function(answer)

    def exposition(self) -> tuple[bytes, str]:
        """The answer to a scrape, and its Content-Type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST

    def _counter(self, name: str, meaning: str, labels: tuple[str, ...]) -> Counter:
        return Counter(f"sidecar_{name}_total", meaning, labels, registry=self.registry)

    def _gauge(self, name: str, meaning: str, labels: tuple[str, ...] = ()) -> Gauge:
        return Gauge(f"sidecar_{name}", meaning, labels, registry=self.registry)

    def _histogram(self, name: str, meaning: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"sidecar_{name}", meaning, labels, buckets=buckets, registry=self.registry)

    def _start_known_labels(self) -> None:
        """Series that start at 0, so that the first failure shows as an increase."""
        for event_type in EventType:
            self._events.labels(event_type)
        for state in (DeliveryState.DELIVERED, DeliveryState.GIVEN_UP, DeliveryState.CANCELLED):
            self._deliveries.labels(state)
        for result in ("accepted", "rejected", "unreachable"):
            self._attempts.labels(result)
        for reload in ("ok", "failed"):
            self._reloads.labels(reload)
        for kind in KINDS:
            for reading in Reading:
                self._readings.labels(kind, reading)


def operation_name(operation: Operation) -> str:
    """`put_manifest` for PutManifest: as many names as there are operations."""
    return _OPERATION_NAMES[type(operation)]


def status_class(status: int) -> str:
    return _STATUS_CLASSES[status // 100 if 100 <= status < 600 else 0]


def _result_name(result: AttemptResult) -> str:
    match result:
        case Accepted():
            return "accepted"
        case Rejected():
            return "rejected"
        case Unreachable():
            return "unreachable"


_OPERATION_NAMES: Final[dict[type[Operation], str]] = {
    kind: re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower() for kind in Operation.__args__
}
