"""Steps of one client in one tenant of ChartMuseum, through the sidecar and directly, with the events expected."""

import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from tests.clients.journey import ARRIVES_WITHIN_S, Done
from tests.clients.stack import ChartStack
from tests.clients.tools import run_program
from tests.support.images import Chart
from tests.support.process import environment, require_program

_numbers = count()
Json = dict[str, Any]
#: Given the address before the tenant, and the tenant.
Action = Callable[[str, str], Done]


class ChartJourney:
    """As Journey, for one tenant of ChartMuseum."""

    def __init__(self, stack: ChartStack, folder: Path) -> None:
        number = next(_numbers)
        self.stack, self.folder, self.project = stack, folder, f"charts-{number}"
        self.places = (stack.sidecar.url, self.project), (stack.charts.url, f"direct-{number}")
        self._expected: dict[str, list[Json]] = {}  #: by the name of a chart

    def step(self, what: str, action: Action, *events: Json, fails: bool = False) -> None:
        through, direct = self.both(action)
        assert through.status == direct.status, f"{what}: {through.output}\ndirectly: {direct.output}"
        assert bool(through.status) is fails, f"{what}: {through.output}"
        for event in events:
            self._expect(what, event)

    def both(self, action: Action) -> tuple[Done, Done]:
        """Through the sidecar, and directly."""
        through, direct = (action(*place) for place in self.places)
        return through, direct

    def _expect(self, what: str, event: Json) -> None:
        expected = self._expected.setdefault(name := self._name_of(event), [])
        expected.append(event)
        deadline = time.monotonic() + ARRIVES_WITHIN_S
        while len(arrived := self.stack.events_of(name)) < len(expected) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(arrived) >= len(expected), f"{what}: {event['event_type']} did not come: {arrived}"
        seen = {key: arrived[len(expected) - 1].get(key, "(not there)") for key in event}
        assert seen == event, what

    def finish(self) -> None:
        for name, expected in self._expected.items():
            self.stack.finished[name] = [event["event_type"] for event in expected]

    def _name_of(self, event: Json) -> str:
        return f"{self.project}/{event['repo_name']}".removesuffix("/")

    # The clients

    def curl(self, url: str, *words: str, method: str = "POST") -> Done:
        """Its status is curl's, its output the server's status and body."""
        user = ["--user", ":".join(self.stack.user.pair)] if self.stack.user else []
        shown = ["--silent", "--show-error", "--fail-with-body", "--write-out", " %{http_code}"]
        return self._run("curl", *shown, *user, "--request", method, *words, url)

    def helm(self, *words: str) -> Done:
        user = self.stack.user
        return self._run(
            "helm", *words, *(["--username", user.user, "--password", user.password] if user else [])
        )

    def cm_push(self, *words: str) -> Done:
        user = self.stack.user
        flags = ["--username", user.user, "--password", user.password] if user else []
        return self._run("helm-cm-push", *words, *flags)

    def helm_alone(self, *words: str) -> Done:
        """With the credentials that `repo add` kept."""
        return self._run("helm", *words)

    def _run(self, *words: str) -> Done:
        homes = {
            f"HELM_{kind}_HOME": str(self.folder / f"helm-{kind}") for kind in ("CONFIG", "CACHE", "DATA")
        }
        return run_program([require_program(words[0]), *words[1:]], self.folder, environment(**homes))

    def event(self, event_type: str, chart: Chart) -> Json:
        user = {"username": self.stack.user.user} if self.stack.user else {}
        return {
            "event_type": event_type,
            "project": self.project,
            "repo_name": chart.name,
            "chart_name": chart.name,
            "chart_type": chart.type,
            "version": chart.version,
            "tag": chart.version,
            "chart_size": len(chart.content),
            "project_type": "Private",
            **user,
        }

    def refused(self, details: object, *, name: str = "", version: str = "") -> Json:
        """For lack of storage; a chart of which the upstream did not wait for the end is not read."""
        user = {"username": self.stack.user.user} if self.stack.user else {}
        return {
            "event_type": "projectQuota",
            "project": self.project,
            "repo_name": name,
            "tag": version,
            "details": details,
            "project_type": "Private",
            **user,
        }
