import hashlib

from sidecar.parsing.kinds import KINDS
from tests.unit.charts.test_chartfile import FORM, a_chart, a_form
from tests.unit.charts.test_index import DIGEST, ENTRY, INDEX


def test_chart_index_is_read_by_digest_and_by_file_name() -> None:
    read = KINDS["chart-index"]
    found = read(INDEX, {"digests": [DIGEST]})["found"]
    assert found == read(INDEX, {"file_name": ENTRY.file_name})["found"]
    assert (found["name"], found["version"], found["type"]) == ("app", "1000", "application")
    assert read(INDEX, {"digests": []}) == {"found": None}


def test_chart_is_read_from_an_archive_and_from_an_upload() -> None:
    options = {"content_type": FORM, "fields": ["chart"]}
    chart = KINDS["chart"](a_chart(), {})["chart"]
    assert (chart["name"], chart["version"], chart["is_plain"]) == ("app", "1.2.3", True)
    assert KINDS["chart-upload"](a_form({"chart": a_chart()}), options)["chart"] == chart
    assert KINDS["chart-upload"](a_form({"prov": b"x"}), options) == {"chart": None}


def test_part_is_described_whatever_it_holds() -> None:
    options = {"content_type": FORM, "fields": ["chart"]}
    digest = hashlib.sha256(b"x").hexdigest()
    expected = {"file_name": "chart.tgz", "size_bytes": 1, "digest": digest}
    assert KINDS["chart-part"](a_form({"chart": b"x"}), options) == expected
