"""What charts are called: as ChartMuseum 0.16.3 stored them (tests/wire/test_chart_names.py compares)."""

import gzip
import hashlib
from collections.abc import Mapping
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.charts.chartfile import ChartFile, chart_name_version, find_upload, read_archive, read_upload
from sidecar.model.errors import NotUnderstood
from tests.unit.charts.test_archive import a_tar

BOUNDARY = "------------------------d74496d66958873e"
FORM = f"multipart/form-data; boundary={BOUNDARY}"


def a_chart(chart_yaml: str | bytes = "name: app\nversion: 1.2.3\n", **files: bytes) -> bytes:
    text = chart_yaml.encode() if isinstance(chart_yaml, str) else chart_yaml
    return gzip.compress(
        a_tar({"app/Chart.yaml": text} | {f"app/{name}": files[name] for name in files}), 1, mtime=0
    )


def a_form(parts: Mapping[str, bytes], *, boundary: str = BOUNDARY) -> bytes:
    form = b""
    for name, content in parts.items():
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}.tgz"\r\n'
        form += head.encode() + b"Content-Type: application/octet-stream\r\n\r\n" + content + b"\r\n"
    return form + f"--{boundary}--\r\n".encode()


def a_chart_file(archive: bytes) -> ChartFile:
    return ChartFile(
        name="app",
        version="1.2.3",
        type="application",
        size_bytes=len(archive),
        digest=hashlib.sha256(archive).hexdigest(),
        is_plain=True,
    )


def read(chart_yaml: str | bytes) -> tuple[str, str, str]:
    chart = read_archive(a_chart(chart_yaml))
    return chart.name, chart.version, chart.type


@pytest.mark.parametrize(
    ("chart_yaml", "expected"),
    [
        ("apiVersion: v2\nname: app\nversion: 1.2.3", ("app", "1.2.3", "application")),
        ("name: app\nversion: 1.2.3\ntype: library", ("app", "1.2.3", "library")),
        ("name: app\nversion: 1.2.3\ntype: application", ("app", "1.2.3", "application")),
        ("name: 'app'\nversion: \"1.2.3\"", ("app", "1.2.3", "application")),
        ("\ufeffname: app\nversion: 1.2.3", ("app", "1.2.3", "application")),
        ("Name: App\nVersion: 1.2.3", ("App", "1.2.3", "application")),
        ("name: app\nName: other\nversion: 1.2.3", ("app", "1.2.3", "application")),
        ("name: ~\nName: App\nversion: 1.2.3", ("App", "1.2.3", "application")),
        ("name: a+b\nversion: 1.2.3", ("a+b", "1.2.3", "application")),
        ("name: a b\nversion: 1.2.3", ("a b", "1.2.3", "application")),
        ("name: café\nversion: 1.2.3", ("café", "1.2.3", "application")),
        ("name: a@b\nversion: 1.2.3", ("a@b", "1.2.3", "application")),
        ('name: "a\\tb\\0c"\nversion: 1.2.3', ("a bc", "1.2.3", "application")),
        ("name: app\nver\u017fion: 1.2.3", ("app", "1.2.3", "application")),
    ],
)
def test_chart_yaml_is_read_as_helm_reads_it(chart_yaml: str, expected: tuple[str, str, str]) -> None:
    assert read(chart_yaml) == expected


@pytest.mark.parametrize(
    "chart_yaml",
    [
        "",
        "name: app",
        "version: 1.2.3",
        "name: app\nversion: ''",
        "name: app\nversion: ~",
        f"name: {'a' * 1025}\nversion: 1.2.3",
        "name: [app]\nversion: 1.2.3",
        "[name, app, version, 1.2.3]",
        "just text",
        "name: app\nversion: 1.2.3\n\tx: tab",
        "name: app\nversion: '1.2.3",
        b"name: app\nversion: \xff\xfe",
        b"\x00\x01\x02",
        "%TAG !a! tag:x,2000:\n" * 25_000 + "---\nname: app\nversion: 1.2.3",
    ],
)
def test_what_names_no_chart_is_not_understood(chart_yaml: str | bytes) -> None:
    with pytest.raises(NotUnderstood):
        read(chart_yaml)


@pytest.mark.parametrize(
    ("chart_yaml", "is_plain"),
    [
        ("name: app\nversion: 1.2.3", True),
        ("name: my_app.x-1\nversion: v1.2.3-rc.1+b", True),
        ("name: yes\nversion: 1.2.3", False),
        ("name: app\nversion: 1.10", False),
        ("name: app\nversion: '1.10'", False),
        ("name: !!binary Zm9v\nversion: 1.2.3", False),
        ("name: café\nversion: 1.2.3", False),
        ("x: &x {name: app}\n<<: *x\nversion: 1.2.3", False),
    ],
)
def test_only_what_leaves_no_doubt_is_plain(chart_yaml: str, *, is_plain: bool) -> None:
    assert read_archive(a_chart(chart_yaml)).is_plain is is_plain


def test_the_last_chart_yaml_counts_and_sets_only_what_it_says() -> None:
    files = {"a/Chart.yaml": b"name: first\nversion: 1.0.0\ntype: library", "b/Chart.yaml": b"name: last"}
    chart = read_archive(gzip.compress(a_tar(files)))
    assert (chart.name, chart.version, chart.type, chart.is_plain) == ("last", "1.0.0", "library", False)


def test_requirements_are_read_over_chart_yaml_wherever_they_stand() -> None:
    for names in (("a/requirements.yaml", "a/Chart.yaml"), ("a/Chart.yaml", "a/requirements.yaml")):
        contents = {"a/requirements.yaml": b"name: req", "a/Chart.yaml": b"name: app\nversion: 1.0.0"}
        chart = read_archive(gzip.compress(a_tar({name: contents[name] for name in names})))
        assert (chart.name, chart.version, chart.is_plain) == ("req", "1.0.0", False)


def test_archive_without_chart_yaml_is_not_understood() -> None:
    with pytest.raises(NotUnderstood):
        read_archive(gzip.compress(a_tar({"app/requirements.yaml": b"name: app\nversion: 1.0.0"})))


@given(st.binary(max_size=300))
def test_random_bytes_as_chart_yaml_raise_nothing_else(content: bytes) -> None:
    for chart_yaml in (content, b"name: app\nversion: 1.2.3\n" + content):
        with suppress(NotUnderstood):
            read(chart_yaml)


# Uploads


@pytest.mark.parametrize(
    "content_type",
    ["", "application/octet-stream", "application/x-www-form-urlencoded", "Multipart/Form-Data; boundary=x"],
)
def test_raw_upload_is_read_whatever_its_content_type(content_type: str) -> None:
    archive = a_chart()
    assert read_upload(archive, content_type, ["chart"]) == a_chart_file(archive)


@pytest.mark.parametrize("order", [("chart", "prov"), ("prov", "chart"), ("x", "prov", "chart", "y")])
def test_chart_part_is_found_among_others(order: tuple[str, ...]) -> None:
    parts = dict.fromkeys(order, b"--provenance\r\n") | {"chart": a_chart()}
    assert read_upload(a_form(parts), FORM, ["chart"]) == a_chart_file(a_chart())


def test_fields_are_asked_for_in_their_order_and_an_empty_file_is_none() -> None:
    other = a_chart("name: other\nversion: 9.9.9")
    both = {"package": other, "chart": a_chart()}
    assert read_upload(a_form(both), FORM, ["chart", "package"]) == a_chart_file(a_chart())
    empty = read_upload(a_form(both | {"chart": b""}), FORM, ["chart", "package"])
    assert empty
    assert empty.name == "other"
    assert read_upload(a_form({"package": other}), FORM, ["chart"]) is None


def test_form_with_only_provenance_has_no_chart() -> None:
    assert read_upload(a_form({"prov": a_chart()}), FORM, ["chart"]) is None


def test_a_chart_that_is_not_understood_is_still_found_with_its_file_name() -> None:
    assert find_upload(a_form({"chart": b"no archive"}), FORM, ["chart"]) == ("chart.tgz", b"no archive")
    assert find_upload(b"no archive", "", ["chart"]) == ("", b"no archive")
    with pytest.raises(NotUnderstood):
        find_upload(a_form({"prov": b"x"}), FORM, ["chart"])


# File names


@pytest.mark.parametrize(
    ("file_name", "expected"),
    [
        ("foo-1.0.0-2.tgz", ("foo", "1.0.0-2")),
        ("my-chart-2-1.0.0.tgz", ("my-chart-2", "1.0.0")),
        ("app-v1.2.3.tgz", ("app", "v1.2.3")),
        ("x-1.0.0+build.1.tgz", ("x", "1.0.0+build.1")),
        ("x-1.0.0-rc.1.tgz", ("x", "1.0.0-rc.1")),
        ("my-chart-1.2.3-rc.1.tgz", ("my-chart", "1.2.3-rc.1")),
        ("foo-1.0.0-20200101.tgz", ("foo", "1.0.0-20200101")),
        ("harbor-0.4.0.tgz", ("harbor", "0.4.0")),
        ("web-1.2.tgz", ("web", "1.2")),
        ("web-3.tgz", ("web", "3")),
        ("web-2-1.0.tgz", ("web", "2-1.0")),
        ("nginx.tgz", ("nginx", "")),
        ("my-chart.tgz", ("my-chart", "")),
        ("-1.0.0.tgz", ("-1.0.0", "")),
        (".tgz", ("", "")),
    ],
)
def test_file_name_is_split_into_name_and_version(file_name: str, expected: tuple[str, str]) -> None:
    assert chart_name_version(file_name) == expected


@given(
    st.from_regex(r"[a-z]+(-[a-z]+){0,2}", fullmatch=True),
    st.from_regex(r"v?[1-9]\.[0-9]\.[0-9](-rc\.[0-9])?(\+[a-z]+)?", fullmatch=True),
)
def test_names_without_versions_in_them_are_split_rightly(name: str, version: str) -> None:
    assert chart_name_version(f"{name}-{version}.tgz") == (name, version)


@given(st.text(max_size=300))
def test_any_file_name_is_split_without_loss(file_name: str) -> None:
    name, version = chart_name_version(file_name)
    assert file_name.startswith(name)
    assert version in file_name
