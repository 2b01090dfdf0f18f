"""What a rule looks at, and what it says."""

import pytest

from sidecar.model.exchange import Refusal
from sidecar.model.names import parse_digest, parse_reference, repository_of
from sidecar.model.operation import (
    GetManifest,
    HeadBlob,
    Ping,
    PutManifest,
    UploadChart,
    UploadProvenance,
    UploadStep,
    WriteBlob,
)
from sidecar.quota.rules import Miss, Rejection, RejectionRule, WriteKind, judgements, recognise, write_of
from tests.support.builders import a_digest

APP = repository_of("prj/app", default_project="library")
FULL = b'{"errors":[{"code":"DENIED","message":"the shelf is full"}]}'
RULE = RejectionRule(name="r", texts=("shelf is full",))


def details(
    rule: RejectionRule, body: bytes, status: int = 403, write: WriteKind = WriteKind.BLOB
) -> str | None:
    found = recognise([rule], write, status, Refusal(content=body, content_type=""))
    return found.details if found else None


@pytest.mark.parametrize(
    ("operation", "write"),
    [
        *((WriteBlob(APP, step), WriteKind.BLOB) for step in UploadStep),
        (PutManifest(APP, parse_reference("v1")), WriteKind.MANIFEST),
        (UploadChart("prj"), WriteKind.CHART),
        (UploadProvenance("prj"), WriteKind.CHART),
        (GetManifest(APP, parse_reference("v1")), None),
        (HeadBlob(APP, parse_digest(a_digest("x"))), None),
        (Ping(), None),
    ],
)
def test_only_writes_need_room(operation: object, write: WriteKind | None) -> None:
    assert write_of(operation) == write  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "is_there"),
    [
        ("shelf is full", True),
        ("SHELF", True),
        ("the * full", True),
        ("*the*shelf*full*", True),
        ("full * shelf", False),
        ("the shelf is full now", False),
        ("full*full", False),
    ],
)
def test_text_with_stars_stands_in_the_message(text: str, is_there: bool) -> None:  # noqa: FBT001
    assert (details(RejectionRule(name="r", texts=(text,)), FULL) is not None) is is_there


def test_many_stars_in_a_long_answer_take_no_time() -> None:
    body = b'"' + b"ab" * 8000 + b'"'
    assert details(RejectionRule(name="r", texts=("a*" * 200 + "c",)), b"[" + body + b"]") is None


@pytest.mark.parametrize("status", [200, 302, 401, 404, 416])
def test_usual_course_is_no_rejection_unless_a_rule_names_it(status: int) -> None:
    assert details(RULE, FULL, status) is None
    named = RejectionRule(name="r", statuses=frozenset({status}), texts=RULE.texts)
    assert (details(named, FULL, status) is not None) is (status >= 400)


def test_code_status_and_write_must_all_be_right() -> None:
    rule = RejectionRule(
        name="r",
        code="denied",
        statuses=frozenset({403}),
        writes=frozenset({WriteKind.BLOB}),
        texts=("full",),
    )
    assert details(rule, FULL) == "the shelf is full"
    assert details(rule, FULL, 500) is None
    assert details(rule, FULL, write=WriteKind.MANIFEST) is None
    assert details(rule, FULL.replace(b"DENIED", b"UNKNOWN")) is None


def test_text_of_another_error_than_the_code_is_not_enough() -> None:
    body = b'{"errors":[{"code":"DENIED","message":"no"},{"code":"OTHER","message":"shelf is full"}]}'
    assert details(RejectionRule(name="r", code="DENIED", texts=RULE.texts), body) is None


def test_what_only_looks_alike_is_none() -> None:
    rule = RejectionRule(name="r", texts=("quota exceeded",), unless=("per minute",))
    assert details(rule, b"Quota exceeded for requests per minute") is None
    assert details(rule, b"Quota exceeded") == "Quota exceeded"


def test_rate_limit_names_a_time_to_come_back() -> None:
    rule = RejectionRule(name="r", texts=RULE.texts, unless_retry_after=True)
    refusal = Refusal(content=FULL, content_type="", names_retry=True)
    assert recognise([rule], WriteKind.BLOB, 429, refusal) is None


def test_details_are_the_answers_words_without_its_prefix() -> None:
    rule = RejectionRule(name="r", texts=("full",), prefix="refused: ")
    body = b'{"errors":[{"message":"refused: shelf 1 is full"},{"message":"refused: shelf 2 is full"}]}'
    assert details(rule, body) == "shelf 1 is full; shelf 2 is full"


def test_details_of_an_answer_without_words_are_what_the_rule_or_the_status_says() -> None:
    assert details(RejectionRule(name="r", statuses=frozenset({507})), b"", 507) == "507 Insufficient Storage"
    assert details(RejectionRule(name="r", statuses=frozenset({599})), b"", 599) == "599"
    assert details(RejectionRule(name="r", texts=("full",), says="no room"), FULL) == "no room"


def test_details_are_one_line_of_bounded_length() -> None:
    found = details(RULE, b"shelf is full\r\n\x00\x1b[31m" + "é".encode() * 5000)
    assert found is not None
    assert found.startswith("shelf is full [31mé")
    assert (len(found), found.isprintable()) == (1000, True)


def test_no_answer_at_all_is_read_as_an_empty_one() -> None:
    assert recognise([RULE], WriteKind.BLOB, 403, None) is None


def test_judgements_say_why_each_rule_does_not_match() -> None:
    rules = (
        RejectionRule(name="status", statuses=frozenset({507})),
        RejectionRule(name="write", writes=frozenset({WriteKind.CHART})),
        RejectionRule(name="code", code="FULL"),
        RejectionRule(name="text", texts=("x y",)),
        RejectionRule(name="alike", texts=("full",), unless=("shelf",)),
        RejectionRule(name="quoting", texts=("full",), unless_codes=frozenset({"DENIED"})),
        RULE,
    )
    judged = {
        rule.name: found
        for rule, found in judgements(rules, WriteKind.BLOB, 403, Refusal(content=FULL, content_type=""))
    }
    assert judged == {
        "status": Miss("is for status 507"),
        "write": Miss("is for chart"),
        "code": Miss("no error with code FULL"),
        "text": Miss("says none of its texts"),
        "alike": Miss("is not for this: the shelf is full"),
        "quoting": Miss("is not for DENIED: that quotes the request"),
        "r": Rejection(rule="r", details="the shelf is full"),
    }
