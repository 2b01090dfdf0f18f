from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.names import parse_digest, parse_reference, parse_repository
from sidecar.model.operation import (
    DYNAMIC,
    DeleteChart,
    DeleteManifest,
    DownloadChart,
    GetBlob,
    GetManifest,
    HeadBlob,
    HeadManifest,
    Operation,
    Other,
    Ping,
    PutManifest,
    Routes,
    UploadChart,
    UploadProvenance,
    UploadStep,
    WriteBlob,
    chart_download_path,
    chart_repository_of,
    is_registry_path,
    parse_operation,
)

HEX = "0123456789abcdef" * 4
DIGEST = f"sha256:{HEX}"
METHODS = ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "get", "")


def parse(method: str, path: str, **routes: object) -> Operation:
    return parse_operation(method, path, Routes(**routes))  # type: ignore[arg-type]


def repository(full_name: str) -> object:
    return parse_repository(full_name, default_project="library")


# The registry


@pytest.mark.parametrize(
    ("method", "kind"),
    [("PUT", PutManifest), ("GET", GetManifest), ("HEAD", HeadManifest), ("DELETE", DeleteManifest)],
)
@pytest.mark.parametrize(
    "full_name", ["app", "prj/app", "prj/a/b/c", "prj/manifests", "prj/blobs/uploads", "manifests/manifests"]
)
@pytest.mark.parametrize("reference", ["v1", DIGEST, "manifests", "uploads", "blobs"])
def test_manifests(method: str, kind: type, full_name: str, reference: str) -> None:
    expected = kind(repository(full_name), parse_reference(reference))
    assert parse(method, f"/v2/{full_name}/manifests/{reference}") == expected


@pytest.mark.parametrize(
    "path", [f"/v2/prj%2Fapp/manifests/{DIGEST}", f"/v2/prj/app/manifests/sha256%3A{HEX}"]
)
def test_percent_encoding_means_the_same(path: str) -> None:
    assert parse("GET", path) == parse("GET", f"/v2/prj/app/manifests/{DIGEST}")


@pytest.mark.parametrize("path", ["/%762/prj/app/manifests/v1", "/v2%2Fprj/app%2fmanifests/%76%31"])
def test_the_prefix_may_be_encoded_as_well(path: str) -> None:
    assert parse("PUT", path) == parse("PUT", "/v2/prj/app/manifests/v1")


@pytest.mark.parametrize(
    "path",
    [
        "/v2",
        "/v2/",
        "/%762/",
        "/v2%2F",
        "//v2/",
        "/%2fv2/x",
        "/./v2/x",
        "/x/../v2/x",
        "/x%2F..%2Fv2/x",
        "/v2/.",
        "/v2/prj/..%2f",
        "/v2/?x=/../..",
    ],
)
def test_what_gos_mux_would_take_or_redirect_to_the_registry_is_the_registrys(path: str) -> None:
    assert is_registry_path(path)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "*",
        "/",
        "/v2x",
        "/V2/",
        "/%2576v2/",
        "/v2/../charts/x.tgz",
        "/api//charts",
        "/charts?/v2/",
        "/v%ff/",
    ],
)
def test_every_other_path_is_not(path: str) -> None:
    assert not is_registry_path(path)


def test_blob_download() -> None:
    assert parse("GET", f"/v2/prj/app/blobs/{DIGEST}") == GetBlob(repository("prj/app"), parse_digest(DIGEST))  # type: ignore[arg-type]
    head = HeadBlob(repository("prj/app"), parse_digest(DIGEST))  # type: ignore[arg-type]
    assert parse("HEAD", f"/v2/prj/app/blobs/{DIGEST}") == head


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v2/prj/app/blobs/uploads/"),
        ("POST", "/v2/prj/app/blobs/uploads"),
        ("PATCH", "/v2/prj/app/blobs/uploads/6b1f-22"),
        ("PUT", "/v2/prj/app/blobs/uploads/6b1f-22"),
    ],
)
def test_blob_uploads(method: str, path: str) -> None:
    assert parse(method, path) == WriteBlob(repository("prj/app"), UploadStep(method))  # type: ignore[arg-type]


def test_ping() -> None:
    assert parse("GET", "/v2/") == Ping()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("HEAD", "/v2/"),
        ("GET", "/v2"),
        ("GET", "/v2/_catalog"),
        ("GET", "/v2/prj/app/tags/list"),
        ("GET", f"/v2/prj/app/referrers/{DIGEST}"),
        ("DELETE", f"/v2/prj/app/blobs/{DIGEST}"),
        ("GET", "/v2/prj/app/blobs/uploads/6b1f"),
        ("DELETE", "/v2/prj/app/blobs/uploads/6b1f"),
        ("POST", "/v2/prj/app/manifests/v1"),
        ("PATCH", "/v2/prj/app/manifests/v1"),
        ("GET", "/v2/manifests/v1"),
        ("GET", "/v2//app/manifests/v1"),
        ("GET", "/v2/prj//app/manifests/v1"),
        ("GET", "/v2/../app/manifests/v1"),
        ("GET", "/v2/prj/App/manifests/v1"),
        ("GET", "/V2/prj/app/manifests/v1"),
        ("GET", "//v2/prj/app/manifests/v1"),
        ("GET", "/./v2/prj/app/manifests/v1"),
        ("GET", "/%2e/v2/prj/app/manifests/v1"),
        ("GET", "/v2/prj%2F%2Fapp/manifests/v1"),
        ("GET", "/v2/prj/app/manifests/v1%2F"),
        ("GET", "/v2/prj/app/manifests/"),
        ("GET", "/v2/prj/app/manifests/v1/"),
        ("GET", "/v2/prj/app/manifests/-v1"),
        ("GET", "/v2/prj/app/manifests/sha256:abc"),
        ("GET", "/v2/prj/app/blobs/v1"),
        ("GET", "/v2/prj/%ff/manifests/v1"),
        ("GET", "/v2/prj/app%00/manifests/v1"),
        ("GET", "/v2x/prj/app/manifests/v1"),
    ],
)
def test_everything_else_of_the_registry_is_only_relayed(method: str, path: str) -> None:
    assert parse(method, path) == Other()


# The chart repository


@pytest.mark.parametrize(
    ("depth", "tenant"), [(0, ""), (1, "prj"), (2, "org/team"), (DYNAMIC, ""), (DYNAMIC, "a/b/c")]
)
@pytest.mark.parametrize("context", ["", "/helm"])
def test_charts(depth: int, tenant: str, context: str) -> None:
    below = f"{tenant}/" if tenant else ""
    routes = Routes(chart_depth=depth, chart_context_path=context)
    for method, path, expected in (
        ("POST", f"/api/{below}charts", UploadChart(tenant)),
        ("POST", f"/api/{below}prov", UploadProvenance(tenant)),
        ("GET", f"/{below}charts/app-1.2.3.tgz", DownloadChart(tenant, "app-1.2.3.tgz")),
        ("DELETE", f"/api/{below}charts/app/1.2.3", DeleteChart(tenant, "app", "1.2.3")),
    ):
        assert parse_operation(method, context + path, routes) == expected


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/prj/index.yaml"),
        ("GET", "/health"),
        ("GET", "/api/prj/charts"),
        ("GET", "/api/prj/charts/app"),
        ("GET", "/api/prj/charts/app/1.2.3"),
        ("GET", "/api/prj/prov"),
        ("DELETE", "/api/prj/charts/app"),
        ("HEAD", "/prj/charts/app-1.2.3.tgz"),
        ("GET", "/prj/charts/app-1.2.3.tgz.prov"),
        ("GET", "/prj/charts/app-1.2.3.zip"),
        ("POST", "/api/charts"),
        ("POST", "/api/a/b/charts"),
        ("GET", "/prj/charts/../charts/x.tgz"),
        ("GET", "/charts/x.tgz"),
        ("GET", ""),
        ("GET", "*"),
        ("GET", "http://elsewhere/prj/charts/x.tgz"),
    ],
)
def test_everything_else_of_the_chart_repository_is_only_relayed(method: str, path: str) -> None:
    assert parse(method, path, chart_depth=1) == Other()


@pytest.mark.parametrize(
    ("depth", "method", "path", "expected"),
    [
        (DYNAMIC, "GET", "//charts/x-1.0.0.tgz", DownloadChart("", "x-1.0.0.tgz")),
        (DYNAMIC, "GET", "/org//charts/x-1.0.0.tgz", DownloadChart("org", "x-1.0.0.tgz")),
        (DYNAMIC, "POST", "/api//charts", UploadChart("")),
        (DYNAMIC, "DELETE", "/api/org//charts/x/1.0.0", DeleteChart("org", "x", "1.0.0")),
        (2, "POST", "/api/org//charts", UploadChart("org")),
        (2, "POST", "/api/./org/charts", UploadChart("org")),
        (1, "POST", "/api/%ff/charts", UploadChart("\ufffd")),
        (1, "GET", "/api/charts/x-1.0.0.tgz", DownloadChart("api", "x-1.0.0.tgz")),
        (0, "DELETE", "/api/charts/x/1.0.0-a.tgz", DeleteChart("", "x", "1.0.0-a.tgz")),
        (1, "DELETE", "/api/prj/charts/x/1.0.0-a.tgz", Other()),
        (0, "GET", "//charts/x-1.0.0.tgz", Other()),
    ],
)
def test_odd_paths_mean_what_chartmuseum_takes_them_for(
    depth: int, method: str, path: str, expected: Operation
) -> None:
    assert parse(method, path, chart_depth=depth) == expected


def test_context_path_is_cut_off_without_a_look_at_what_follows() -> None:
    routes = Routes(chart_depth=1, chart_context_path="/helm")
    expected = DownloadChart("prj", "x-1.0.0.tgz")
    assert parse_operation("GET", "/helmet/prj/charts/x-1.0.0.tgz", routes) == expected
    assert parse_operation("GET", "/prj/charts/x-1.0.0.tgz", routes) == Other()


def test_plus_in_a_version_is_understood_either_way() -> None:
    expected = DownloadChart("prj", "x-1.0.0+build.1.tgz")
    assert parse("GET", "/prj/charts/x-1.0.0+build.1.tgz", chart_depth=1) == expected
    assert parse("GET", "/prj/charts/x-1.0.0%2Bbuild.1.tgz", chart_depth=1) == expected


@pytest.mark.parametrize(
    ("tenant", "project", "full_name"),
    [("", "library", "app"), ("prj", "prj", "prj/app"), ("org/team", "org", "org/team/app")],
)
def test_charts_repository(tenant: str, project: str, full_name: str) -> None:
    found = chart_repository_of(tenant, "app", Routes())
    assert (found.project, found.full_name) == (project, full_name)


# Whatever comes


@given(
    st.sampled_from(METHODS),
    st.lists(
        st.sampled_from(
            [
                "v2",
                "prj",
                "app",
                "manifests",
                "blobs",
                "uploads",
                "charts",
                "api",
                DIGEST,
                "v1",
                "x.tgz",
                "",
                "..",
                "%2F",
                "%ff",
            ]
        )
        | st.text(max_size=5),
        max_size=8,
    ),
    st.integers(DYNAMIC, 3),
)
def test_any_request_means_something_or_nothing(method: str, segments: list[str], depth: int) -> None:
    parse_operation(method, "/" + "/".join(segments), Routes(chart_depth=depth))


@given(
    st.from_regex(r"[a-z0-9]{1,5}(/[a-z0-9]{1,5}){0,3}", fullmatch=True),
    st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,10}", fullmatch=True),
    st.sets(st.integers(0, 100)),
)
def test_percent_encoding_of_any_character_means_the_same(
    full_name: str, tag: str, encoded: set[int]
) -> None:
    plain = f"{full_name}/manifests/{tag}"
    path = "".join(f"%{ord(c):02X}" if at in encoded else quote(c, safe="/:") for at, c in enumerate(plain))
    assert parse("GET", f"/v2/{path}") == GetManifest(repository(full_name), parse_reference(tag))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("routes", "tenant", "path"),
    [
        (Routes(), "", "/charts/c-1.0.0+b.tgz"),
        (Routes(chart_depth=2), "org/repo", "/org/repo/charts/c-1.0.0+b.tgz"),
        (Routes(chart_context_path="/x"), "prj", "/x/prj/charts/c-1.0.0+b.tgz"),
        (Routes(chart_depth=1), "a b", "/a%20b/charts/c-1.0.0+b.tgz"),
    ],
)
def test_chart_download_path(routes: Routes, tenant: str, path: str) -> None:
    assert chart_download_path(tenant, "c-1.0.0+b.tgz", routes) == path
