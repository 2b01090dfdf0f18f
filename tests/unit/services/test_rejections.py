import gzip

import pytest

from sidecar.config import Settings
from sidecar.model.errors import RequestInvalid
from sidecar.quota.rules import WriteKind
from sidecar.services.rejections import explain_rejection, explanation_document

ANSWER = b"""HTTP/1.1 100 Continue\r
\r
HTTP/2 507 \r
\r
{"errors":[{"code":"DENIED","message":"no  space\\u0007 left"}]}"""


def test_the_last_head_of_an_answer_counts(settings: Settings) -> None:
    found = explain_rejection(settings, ANSWER, write=WriteKind.BLOB)
    assert found.matching
    assert found.words == ("DENIED no space\a left",)
    document = explanation_document(found)
    assert document["rule"] == found.matching.rule == "insufficient-storage"
    verdicts = {rule["name"]: rule["verdict"] for rule in document["rules"]}
    assert verdicts["insufficient-storage"] == "matches"
    assert verdicts["harbor"] == "is for status 403"


def test_a_body_alone_needs_its_status(settings: Settings) -> None:
    with pytest.raises(RequestInvalid, match="begins with no status line"):
        explain_rejection(settings, b"no space left on device", write=WriteKind.BLOB)
    found = explain_rejection(settings, b"no space left on device", write=WriteKind.BLOB, status=500)
    assert found.matching


def test_what_no_rule_matches_is_an_answer_too(settings: Settings) -> None:
    found = explain_rejection(settings, b"HTTP/1.1 403 Forbidden\r\n\r\nno", write=WriteKind.MANIFEST)
    assert found.matching is None
    assert explanation_document(found)["rule"] is None
    assert len(found.judged) == len(settings.rejections)


def test_a_compressed_answer_is_read_and_an_answer_that_is_no_refusal_is_none(
    settings: Settings,
) -> None:
    squeezed = gzip.compress(b"no space left on device")
    head = b"HTTP/2 500\r\nContent-Encoding: GZip\r\n\r\n"
    for body in (squeezed, b"no space left on device"):  # as curl -i and curl -i --compressed write it
        found = explain_rejection(settings, head + body, write=WriteKind.BLOB)
        assert found.words == ("no space left on device",)
        assert found.is_refusal
    accepted = explain_rejection(settings, b"HTTP/1.1 201 Created\r\n\r\nno space", write=WriteKind.BLOB)
    assert (accepted.matching, accepted.is_refusal) == (None, False)
