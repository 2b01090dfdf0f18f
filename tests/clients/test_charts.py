"""Charts: helm with a registry (OCI), and helm, cm-push and curl with ChartMuseum."""

from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import pytest

from tests.clients.chart_journey import ChartJourney
from tests.clients.journey import Done, Journey, deleted, pulled, pushed
from tests.clients.stack import ALICE, ChartStack, Stack, running_chart_stack
from tests.clients.tools import Crane, Helm
from tests.support.images import build_chart

pytestmark = pytest.mark.clients

_numbers = count()


def test_helm_pushes_and_pulls_through_a_registry(stack: Stack, tmp_path: Path) -> None:
    helm = Helm(stack, tmp_path)
    path = build_chart("web", "1.2.3+b4").write(tmp_path)
    journey = Journey(stack, f"helm-{next(_numbers)}")
    digest = journey.step("push", lambda at: helm.push(path, at), pushed("1.2.3_b4", beside="/web")).digest
    journey.step("push again", lambda at: helm.push(path, at), pushed("1.2.3_b4", beside="/web"))
    journey.step("pull", lambda at: helm.pull(at, "web", "1.2.3+b4"), pulled("1.2.3_b4", beside="/web"))
    crane = Crane(stack, tmp_path)
    journey.step(
        "delete",
        lambda at: crane.run("delete", at.beside("/web").at(digest)),
        deleted("1.2.3_b4", beside="/web", digest=digest),
    )
    journey.finish()


@pytest.fixture(scope="module", params=["open", "basic"])
def charts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChartStack]:
    user = ALICE if request.param == "basic" else None
    with running_chart_stack(tmp_path_factory.mktemp("charts"), user) as running:
        yield running


def test_cm_push_uploads_and_helm_pulls(charts: ChartStack, tmp_path: Path) -> None:
    journey = ChartJourney(charts, tmp_path)
    chart = build_chart("my-chart-2", "1.0.0-rc.1", size=50_000)
    path = str(chart.write(tmp_path))
    uploaded, downloaded = (journey.event(kind, chart) for kind in ("uploadChart", "downloadChart"))
    for event in (uploaded, downloaded):
        del event["chart_size"]  # cm-push packs the chart anew

    def add(url: str, tenant: str) -> Done:
        return journey.helm("repo", "add", tenant, f"{url}/{tenant}")

    journey.step("cm-push", lambda url, tenant: journey.cm_push(path, f"{url}/{tenant}"), uploaded)
    journey.step("cm-push again", lambda url, tenant: journey.cm_push(path, f"{url}/{tenant}"), fails=True)
    journey.step(
        "cm-push --force", lambda url, tenant: journey.cm_push("--force", path, f"{url}/{tenant}"), uploaded
    )
    journey.step("repo add", add)
    journey.step("repo update", lambda _, tenant: journey.helm_alone("repo", "update", tenant))
    journey.step(
        "pull",
        lambda _, tenant: journey.helm_alone(
            "pull", f"{tenant}/{chart.name}", "--devel", "-d", str(tmp_path)
        ),
        downloaded,
    )
    journey.finish()


@pytest.mark.parametrize("form", [False, True], ids=["raw", "form"])
def test_curl_uploads_and_deletes(charts: ChartStack, tmp_path: Path, *, form: bool) -> None:
    journey = ChartJourney(charts, tmp_path)
    chart = build_chart("lib", "2.0.0", chart_type="library", size=2_000_000)
    path = chart.write(tmp_path)
    body = ("--form", f"chart=@{path}") if form else ("--data-binary", f"@{path}")

    def upload(url: str, tenant: str, query: str = "") -> Done:
        return journey.curl(f"{url}/api/{tenant}/charts{query}", *body)

    def delete(url: str, tenant: str) -> Done:
        return journey.curl(f"{url}/api/{tenant}/charts/lib/2.0.0", method="DELETE")

    def download(url: str, tenant: str) -> Done:
        target = str(tmp_path / "downloaded.tgz")
        done = journey.curl(f"{url}/{tenant}/charts/{chart.file_name}", "--output", target, method="GET")
        assert Path(target).read_bytes() == chart.content
        return done

    journey.step("upload", upload, journey.event("uploadChart", chart))
    journey.step("upload again", upload, fails=True)
    journey.step(
        "upload by force",
        lambda url, tenant: upload(url, tenant, "?force"),
        journey.event("uploadChart", chart),
    )
    journey.step("download", download, journey.event("downloadChart", chart))
    deleted_chart = journey.event("deleteChart", chart)
    journey.step("delete", delete, deleted_chart)
    journey.step("delete what is gone", delete, fails=True)
    journey.step("index", lambda url, tenant: journey.curl(f"{url}/{tenant}/index.yaml", method="GET"))
    journey.finish()


def test_provenance_belongs_to_its_chart(charts: ChartStack, tmp_path: Path) -> None:
    journey = ChartJourney(charts, tmp_path)
    chart = build_chart("signed", "1.0.0")
    path, prov = chart.write(tmp_path), tmp_path / f"{chart.file_name}.prov"
    prov.write_bytes(chart.provenance)
    both: Sequence[str] = ("--form", f"chart=@{path}", "--form", f"prov=@{prov}")
    journey.step(
        "upload both",
        lambda url, tenant: journey.curl(f"{url}/api/{tenant}/charts", *both),
        journey.event("uploadChart", chart),
    )
    journey.step(
        "upload the provenance alone",
        lambda url, tenant: journey.curl(f"{url}/api/{tenant}/prov?force", "--data-binary", f"@{prov}"),
    )
    journey.step(
        "pull --prov",
        lambda url, tenant: journey.helm(
            "pull", chart.name, f"--repo={url}/{tenant}", "--prov", f"--destination={tmp_path}"
        ),
        journey.event("downloadChart", chart),
    )
    journey.finish()


@pytest.mark.parametrize("charts", ["basic"], indirect=True)
def test_a_wrong_password_raises_nothing(charts: ChartStack, tmp_path: Path) -> None:
    journey = ChartJourney(charts, tmp_path)
    path = build_chart("refused").write(tmp_path)
    wrong = ("--user", "alice:wrong", "--data-binary", f"@{path}")
    journey.step("upload", lambda url, tenant: journey.curl(f"{url}/api/{tenant}/charts", *wrong), fails=True)
    charts.finished[f"{journey.project}/refused"] = []
