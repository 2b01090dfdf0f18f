import gzip
import hashlib
import os
import random
import tracemalloc
from collections.abc import Iterable, Mapping
from itertools import pairwise
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.chartfile import ChartDownload, ChartFile, ChartUpload, chart_name_version
from sidecar.event import Chart
from sidecar.names import Digest
from tests.unit.test_archive import a_tar

BOUNDARY = "------------------------d74496d66958873e"
FORM = f"multipart/form-data; boundary={BOUNDARY}"
MIB = 1024 * 1024


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


def downloaded(*chunks: bytes) -> ChartFile | None:
    download = ChartDownload()
    for chunk in chunks:
        download.feed(chunk)
    return download.finish()


def uploaded(
    chunks: Iterable[bytes], content_type: str = FORM, fields: tuple[str, ...] = ("chart",)
) -> ChartFile | None:
    upload = ChartUpload(content_type, fields)
    for chunk in chunks:
        upload.feed(chunk)
    return upload.finish()


def read(chart_yaml: str | bytes) -> tuple[str, str, str] | None:
    chart = downloaded(a_chart(chart_yaml))
    return (chart.name, chart.version, chart.type) if chart else None


def a_chart_file(archive: bytes) -> ChartFile:
    return ChartFile(
        name="app",
        version="1.2.3",
        type="application",
        size_bytes=len(archive),
        digest=Digest(f"sha256:{hashlib.sha256(archive).hexdigest()}"),
    )


# What Chart.yaml says


@pytest.mark.parametrize(
    ("chart_yaml", "expected"),
    [
        ("apiVersion: v2\nname: app\nversion: 1.2.3", ("app", "1.2.3", "application")),
        ("name: app\nversion: 1.2.3\ntype: library", ("app", "1.2.3", "library")),
        ("name: app\nversion: 1.2.3\ntype: application", ("app", "1.2.3", "application")),
        ("name: app\nversion: 1.2.3\ntype: [x]", ("app", "1.2.3", "application")),
        ("name: 'app'\nversion: \"1.2.3\"", ("app", "1.2.3", "application")),
        ("{name: app, version: 1.2.3-rc.1+build.5}", ("app", "1.2.3-rc.1+build.5", "application")),
        ('{"name": "app", "version": "v1"}', ("app", "v1", "application")),
        ("\ufeffname: app\nversion: 1.2.3", ("app", "1.2.3", "application")),
        ("---\nname: app\nversion: 1.2.3\n---\nname: other", ("app", "1.2.3", "application")),
        ("version: &v 1.2.3\nappVersion: *v\nname: app", ("app", "1.2.3", "application")),
        ("deep: {v: &v 1.2.3}\nversion: *v\nname: app", ("app", "1.2.3", "application")),
        ("name: old\nname: app\nversion: 1.2.3", ("app", "1.2.3", "application")),
        (
            "dependencies: [{name: sub, version: 9}]\nname: app\nversion: 1.2.3",
            ("app", "1.2.3", "application"),
        ),
        ("? [a, b]\n: name\nname: app\nversion: 1.2.3", ("app", "1.2.3", "application")),
        ("name: App_1.x-y\nversion: 20240101", ("App_1.x-y", "20240101", "application")),
        # a number to YAML: helm and ChartMuseum store it so
        ("name: app\nversion: 1.10", ("app", "1.1", "application")),
        ("name: app\nversion: 2.0", ("app", "2", "application")),
        ("name: app\nversion: 010", ("app", "8", "application")),
        ("Name: App\nVersion: 1.2.3", ("App", "1.2.3", "application")),
        ("name: app\nName: other\nversion: 1.2.3", ("app", "1.2.3", "application")),
        ("name: app\nversion: '1.10'", ("app", "1.10", "application")),
        ("name: app\nversion: !!str 1.10", ("app", "1.10", "application")),
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
        "name: a/b\nversion: 1.2.3",
        "name: '../x'\nversion: 1/2",
        "name: 'a b'\nversion: 1.2.3",
        "name: 'a\\nb'\nversion: 1.2.3",
        "name: app\nversion: '1.2.3\n\n  x'",
        "name: app\nversion: ''",
        f"name: {'a' * 256}\nversion: 1.2.3",
        f"name: app\nversion: {'1' * 256}",
        "name: [app]\nversion: 1.2.3",
        "name: *nowhere\nversion: 1.2.3",
        "[name, app, version, 1.2.3]",
        "- name: app\n  version: 1.2.3",
        "just text",
        "name: app\nversion: 1.2.3\n\tx: tab",
        "name: app\nversion: '1.2.3",
        "{name: app, version: 1.2.3",
        "name: äpp\nversion: 1.2.3",
        "name: app\nversion: \u0661.\u0662.\u0663",
        b"name: app\nversion: \xff\xfe",
        b"\x00\x01\x02",
    ],
)
def test_chart_yaml_without_a_usable_name_and_version_is_no_chart(chart_yaml: str | bytes) -> None:
    assert read(chart_yaml) is None


def test_billion_laughs_cost_next_to_nothing() -> None:
    laughs = ["a0: &a0 [ha]"] + [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    began = perf_counter()
    assert read("\n".join(["name: app", "version: 1.2.3", *laughs])) == ("app", "1.2.3", "application")
    assert perf_counter() - began < 1


@pytest.mark.parametrize(
    "filler", ["[", "{a: ", "a,", "? ", "- ", "*x ", "&x ", "'", "|\n ", "!a ", "\n\n", "a: "]
)
def test_hostile_yaml_costs_next_to_nothing(filler: str) -> None:
    hostile = filler * (900_000 // len(filler))
    for text in (
        hostile,
        f"name: app\nversion: 1.2.3\nx: {hostile}",
        f"name: app\nversion: 1.2.3\nx: [{hostile}",
    ):
        began = perf_counter()
        read(text)
        assert perf_counter() - began < 2


@given(st.binary(max_size=300))
def test_random_bytes_as_chart_yaml_do_no_harm(content: bytes) -> None:
    read(content)
    read(b"name: app\nversion: 1.2.3\n" + content)


@given(st.text("name:version \n-[]{}&*!|>'\"#%@`,?~0.\t", max_size=200))
def test_random_yaml_does_no_harm(content: str) -> None:
    read(content)
    read(f"name: app\nversion: 1.2.3\n{content}")


# A .tgz


def test_download_gives_size_and_digest_of_all_bytes() -> None:
    archive = a_chart(**{"values.yaml": os.urandom(50_000)})
    assert downloaded(archive) == a_chart_file(archive)


def test_download_larger_than_the_limit_is_counted_to_its_end() -> None:
    archive = a_chart(**{"values.yaml": random.Random(1).randbytes(300_000)})
    download = ChartDownload(largest_archive_bytes=100_000)
    for start in range(0, len(archive), 50_000):
        download.feed(archive[start : start + 50_000])
    assert download.finish() == a_chart_file(archive)


def test_chart_yaml_beyond_the_limit_is_not_looked_for() -> None:
    archive = gzip.compress(a_tar({"app/x": os.urandom(200_000), "app/Chart.yaml": b"name: a\nversion: 1"}))
    chunks = [archive[at : at + 50_000] for at in range(0, len(archive), 50_000)]
    small, large = ChartDownload(largest_archive_bytes=100_000), ChartDownload()
    for chunk in chunks:
        small.feed(chunk)
        large.feed(chunk)
    assert small.finish() is None
    assert large.finish() is not None


def test_a_chart_file_becomes_the_chart_of_an_event() -> None:
    chart = a_chart_file(b"x").chart()
    assert chart == Chart(name="app", version="1.2.3", type="application", size_bytes=1)


def test_nothing_fed_is_no_chart() -> None:
    assert downloaded() is None
    assert downloaded(b"") is None
    assert uploaded([]) is None


@given(st.lists(st.integers(0, 5000), max_size=20))
def test_random_chunks_give_the_same_chart(cuts: list[int]) -> None:
    archive = a_chart(**{"values.yaml": random.Random(2).randbytes(4000)})
    bounds = [0, *sorted(cuts), len(archive)]
    chunks = [archive[a:b] for a, b in pairwise(bounds)]
    assert downloaded(*chunks) == a_chart_file(archive)


# Uploads


@pytest.mark.parametrize(
    "content_type", ["", "application/octet-stream", "application/x-www-form-urlencoded"]
)
def test_raw_upload_is_read_whatever_its_content_type(content_type: str) -> None:
    archive = a_chart()
    assert uploaded([archive], content_type) == a_chart_file(archive)


@pytest.mark.parametrize(
    "content_type", [FORM, FORM.replace("; ", ";"), f'multipart/form-data; charset=x; boundary="{BOUNDARY}"']
)
def test_form_upload_is_read(content_type: str) -> None:
    archive = a_chart()
    assert uploaded([a_form({"chart": archive})], content_type) == a_chart_file(archive)


@pytest.mark.parametrize("order", [("chart", "prov"), ("prov", "chart"), ("x", "prov", "chart", "y")])
def test_chart_part_is_found_among_others(order: tuple[str, ...]) -> None:
    parts = dict.fromkeys(order, b"--provenance\r\n") | {"chart": a_chart()}
    assert uploaded([a_form(parts)]) == a_chart_file(a_chart())


def test_part_of_another_configured_name_is_the_chart() -> None:
    form = a_form({"package": a_chart()})
    assert uploaded([form], fields=("chart", "package")) == a_chart_file(a_chart())
    assert uploaded([form]) is None


def test_first_of_two_chart_parts_counts() -> None:
    form = a_form({"chart": a_chart(), "package": a_chart("name: other\nversion: 9.9.9")})
    assert uploaded([form], fields=("chart", "package")) == a_chart_file(a_chart())


def test_form_with_only_provenance_has_no_chart() -> None:
    assert uploaded([a_form({"prov": a_chart()})]) is None


def test_file_name_and_type_of_the_part_do_not_matter() -> None:
    form = a_form({"chart": a_chart()}).replace(b"chart.tgz", b"other-9.9.9.tgz")
    assert uploaded([form]) == a_chart_file(a_chart())


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        f"multipart/form-data; boundary={'x' * 5000}",
        "multipart/form-data; boundary=other",
        "multipart/form-data; boundary=\udce4\u20ac",
    ],
)
def test_form_without_its_boundary_is_no_chart(content_type: str) -> None:
    assert uploaded([a_form({"chart": a_chart()})], content_type) is None


def test_form_cut_off_within_the_chart_is_no_chart() -> None:
    form = a_form({"chart": a_chart()})
    assert uploaded([form[:-80]]) is None


def test_part_with_senseless_headers_is_passed_over() -> None:
    odd = f"--{BOUNDARY}\r\nContent-Disposition: \xff;;=;name\r\nX: y\r\n\r\nz\r\n".encode("latin-1")
    assert uploaded([odd + a_form({"chart": a_chart()})]) == a_chart_file(a_chart())


def test_endless_part_header_is_no_chart() -> None:
    form = f"--{BOUNDARY}\r\nContent-Disposition: ".encode()
    assert uploaded([form, *[b"x" * MIB] * 10]) is None


def test_a_million_parts_cost_next_to_nothing() -> None:
    began = perf_counter()
    assert uploaded([b"--b\r\n\r\n\r\n" * 1_000_000], "multipart/form-data; boundary=b") is None
    assert perf_counter() - began < 2


@given(st.integers(1, 300))
def test_form_in_chunks_gives_the_same_chart(chunk_bytes: int) -> None:
    form = a_form({"prov": b"\r\n--x" * 20, "chart": a_chart()})
    chunks = [form[at : at + chunk_bytes] for at in range(0, len(form), chunk_bytes)]
    assert uploaded(chunks) == a_chart_file(a_chart())


@given(
    st.lists(st.binary(max_size=200), max_size=5),
    st.sampled_from([FORM, "", "multipart/form-data; boundary=b"]),
)
def test_garbage_does_no_harm(chunks: list[bytes], content_type: str) -> None:
    assert uploaded(chunks, content_type) is None


@given(st.text(max_size=100))
def test_any_content_type_does_no_harm(content_type: str) -> None:
    uploaded([a_chart()], content_type)
    uploaded([a_form({"chart": a_chart()})], f"multipart/form-data; {content_type}")


def test_memory_does_not_grow_with_the_chart() -> None:
    upload = ChartUpload(FORM)
    whole = a_form({"chart": a_chart(**{"values.yaml": random.Random(3).randbytes(10 * MIB)})})
    chunks = [whole[at : at + 65_536] for at in range(0, len(whole), 65_536)]
    tracemalloc.start()
    for chunk in chunks:
        upload.feed(chunk)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert upload.finish() is not None
    assert peak_bytes < MIB


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


def test_long_file_name_of_hyphens_costs_next_to_nothing() -> None:
    began = perf_counter()
    chart_name_version("1.0.0-" * 1500 + "!")
    assert perf_counter() - began < 1
