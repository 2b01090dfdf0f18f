from sidecar.parsing.kinds import KINDS
from tests.unit.test_chartindex import DIGEST, ENTRY, INDEX


def test_chart_index_is_read_by_digest_and_by_file_name() -> None:
    read = KINDS["chart-index"]
    found = read(INDEX, {"digests": [DIGEST]})["found"]
    assert found == read(INDEX, {"file_name": ENTRY.file_name})["found"]
    assert (found["name"], found["version"], found["type"]) == ("app", "1000", "application")
    assert read(INDEX, {"digests": []}) == {"found": None}
