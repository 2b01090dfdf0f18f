"""ChartMuseum refuses charts for lack of storage: clients end as without the sidecar, and each push is one event."""

from pathlib import Path

import pytest

from tests.clients.campaign import Like, without_chance
from tests.clients.chart_journey import Action, ChartJourney
from tests.clients.journey import Done
from tests.clients.stack import ALICE, ChartStack, running_chart_stack
from tests.support.images import build_chart
from tests.support.servers import ChartMuseum
from tests.support.small_file_system import MIB, SmallFileSystem

pytestmark = pytest.mark.clients

CHART = build_chart("web", "1.0.0", size=20_000)
CLIENTS = ("cm-push", "curl", "curl --form")


class RefusedCharts(ChartJourney):
    """One client that pushes one chart, by force: of what it could not store ChartMuseum keeps an empty file."""

    def __init__(self, stack: ChartStack, folder: Path, client: str) -> None:
        super().__init__(stack, folder)
        self._client = client
        self._chart = str(CHART.write(folder))

    def both(self, action: Action) -> tuple[Done, Done]:
        """What a client says must be the same."""
        through, direct = super().both(action)
        said = [
            without_chance(done.output, url, tenant)
            for done, (url, tenant) in zip((through, direct), self.places, strict=True)
        ]
        assert said[0] == said[1], f"{through.output}\ndirectly: {direct.output}"
        return through, direct

    def is_refused(self, details: object, *, is_read: bool = True) -> None:
        known = {"name": CHART.name, "version": CHART.version} if is_read else {}
        for number in (1, 2):
            self.step(f"{self._client} {number}", self._push, self.refused(details, **known), fails=True)

    def succeeds(self) -> None:
        event = self.event("uploadChart", CHART)
        del event["chart_size"]  # cm-push packs the chart anew
        self.step(f"{self._client} with room", self._push, event)
        self.finish()

    def _push(self, url: str, tenant: str) -> Done:
        charts = f"{url}/api/{tenant}/charts?force"
        match self._client:
            case "curl":
                return self.curl(charts, "--data-binary", f"@{self._chart}")
            case "curl --form":
                return self.curl(charts, "--form", f"chart=@{self._chart}")
            case _:
                return self.cm_push("--force", self._chart, f"{url}/{tenant}")


def test_full_disk(tmp_path: Path) -> None:
    with (
        SmallFileSystem(tmp_path / "small", size=4 * MIB) as small,
        running_chart_stack(tmp_path / "stack", ALICE, root=small.root) as stack,
    ):
        journeys = [RefusedCharts(stack, tmp_path, client) for client in CLIENTS]
        small.fill()
        for journey in journeys:
            journey.is_refused(Like(".*no space left on device"))
        small.make_room()
        for journey in journeys:
            journey.succeeds()


def test_larger_than_max_upload_size(tmp_path: Path) -> None:
    """ChartMuseum answers before it has the chart, which nobody reads then."""
    with running_chart_stack(tmp_path / "stack", ALICE, max_upload_size=4096) as stack:
        journeys = [RefusedCharts(stack, tmp_path, client) for client in CLIENTS]
        for journey in journeys:
            journey.is_refused("request too large", is_read=False)
        stack.charts.stop()
        with with_room_in_place_of(stack.charts, tmp_path / "larger"):
            for journey in journeys:
                journey.succeeds()


def with_room_in_place_of(museum: ChartMuseum, folder: Path) -> ChartMuseum:
    larger = ChartMuseum(folder, user=ALICE)
    larger.port = museum.port
    return larger


def test_more_than_max_storage_objects(tmp_path: Path) -> None:
    """Of which ChartMuseum does not ask forms, so not cm-push. One of the two is its index-cache.yaml."""
    first = build_chart("first", "1.0.0").write(tmp_path)
    with running_chart_stack(tmp_path / "stack", ALICE, max_storage_objects=2) as stack:
        journey = RefusedCharts(stack, tmp_path, "curl")
        charts = f"{stack.charts.url}/api/{{}}/charts"  # past the sidecar
        journey.step(
            "another chart", lambda _, at: journey.curl(charts.format(at), "--data-binary", f"@{first}")
        )
        journey.is_refused("repo has reached storage limit")
        journey.step(
            "and without it",
            lambda _, at: journey.curl(f"{charts.format(at)}/first/1.0.0", method="DELETE"),
        )
        journey.succeeds()
        beyond = RefusedCharts(stack, tmp_path, "cm-push")
        beyond.step(
            "another chart", lambda _, at: beyond.curl(charts.format(at), "--data-binary", f"@{first}")
        )
        beyond.succeeds()
