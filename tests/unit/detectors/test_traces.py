"""What traces of clients mean: each is taken once."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from sidecar.detectors.traces import (
    fetched_child,
    is_traced,
    resolutions,
    resolved_on_connection,
    resolved_tag,
    taken_child,
    traced,
)
from sidecar.model.changes import Change, TraceChanged, TraceLeft
from sidecar.model.memory import Trace, TraceKind
from sidecar.model.names import Digest, repository_of
from tests.support.builders import DOCKER, START, a_digest

APP = repository_of("prj/app", default_project="library")
DIGEST = Digest(a_digest("image"))
SECOND = timedelta(seconds=1)
MINUTES = timedelta(minutes=5)


def after(traces: Iterable[Trace], change: Change | None) -> tuple[Trace, ...]:
    """As the store has it then."""
    match change:
        case TraceLeft(trace):
            return (*traces, trace)
        case TraceChanged(before, now):
            return tuple(now if trace == before else trace for trace in traces)
        case _:
            return tuple(traces)


class Client:
    """One that fetches an index and its child."""

    def __init__(self) -> None:
        self.traces: tuple[Trace, ...] = ()

    def take_child(self, second: int, *, again_s: int | None = None) -> bool:
        at = START + second * SECOND
        again_since = at - again_s * SECOND if again_s else None
        taken = taken_child(self.traces, DIGEST, at=at, since=at - MINUTES, again_since=again_since)
        self.traces = after(self.traces, taken)
        return taken is not None

    def fetch_index(self, second: int) -> None:
        at = START + second * SECOND
        change = fetched_child(self.traces, DOCKER, APP, DIGEST, at=at, since=at - MINUTES)
        self.traces = after(self.traces, change)


def test_a_child_is_taken_once_for_each_fetch_of_its_index() -> None:
    client = Client()
    for second in (0, 20):
        client.fetch_index(second)
    assert [client.take_child(second) for second in (60, 90, 91)] == [True, True, False]


def test_a_child_is_taken_again_within_the_time_of_a_client_that_asks_several_times() -> None:
    client = Client()
    client.fetch_index(0)
    assert client.take_child(1, again_s=10)
    assert client.take_child(10, again_s=10)
    assert not client.take_child(25, again_s=10)


def test_children_of_long_ago_are_neither_taken_nor_counted() -> None:
    client = Client()
    client.fetch_index(0)
    assert not client.take_child(301)
    client.fetch_index(400)
    assert [client.take_child(second) for second in (401, 402)] == [True, False]


def a_resolution(second: int, tag: str, *, connection: str = "", digest: str = DIGEST) -> Trace:
    client = replace(DOCKER, connection=connection)
    at = START + second * SECOND
    return Trace(kind=TraceKind.RESOLVED, client=client, repository=APP, digest=digest, tag=tag, seen_at=at)


def test_the_tag_resolved_last_comes_first_within_its_time() -> None:
    traces = [a_resolution(second, f"v{second}") for second in (2, 0, 3, 1)]
    traces.append(a_resolution(2, "other", digest="sha256:b"))
    found = resolutions(traces, DIGEST, since=START + SECOND, until=START + 2 * SECOND)
    assert [trace.tag for trace in found] == ["v2", "v1"]
    assert resolved_tag(traces, DIGEST, since=START, until=START + MINUTES) == "v3"
    assert resolved_tag(traces, DIGEST, since=START + MINUTES, until=START + 2 * MINUTES) == ""


def test_a_resolution_is_known_to_be_of_its_connection() -> None:
    traces = [a_resolution(0, "v1", connection="1"), a_resolution(0, "v2")]
    one, other, unknown = (replace(DOCKER, connection=port) for port in ("1", "2", ""))
    assert resolved_on_connection(traces, one, DIGEST, START)
    assert not resolved_on_connection(traces, other, DIGEST, START)
    assert not resolved_on_connection(traces, one, DIGEST, START + SECOND)
    assert not resolved_on_connection(traces, unknown, DIGEST, START)


def test_only_the_last_time_counts_of_what_was_done_again() -> None:
    client = replace(DOCKER, connection="2")
    left = traced((), TraceKind.PUSHED, DOCKER, APP, DIGEST, at=START)
    assert isinstance(left, TraceLeft)
    again = traced((left.trace,), TraceKind.PUSHED, client, APP, DIGEST, at=START + SECOND)
    assert isinstance(again, TraceChanged)
    assert (again.before, again.after) == (
        left.trace,
        replace(left.trace, client=client, seen_at=START + SECOND),
    )
    assert is_traced((again.after,), TraceKind.PUSHED, DIGEST, START + SECOND)
    assert not is_traced((left.trace,), TraceKind.PUSHED, DIGEST, START + SECOND)
    assert not is_traced((again.after,), TraceKind.ASKED, DIGEST, START)
