"""The answers of real servers, and which of them are for lack of storage."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from sidecar.model.exchange import Refusal
from sidecar.quota.known import KNOWN_RULES, with_changes
from sidecar.quota.rules import WriteKind, recognise

Json = dict[str, Any]

RECORDED: Final[list[Json]] = [
    answer
    for path in sorted((Path(__file__).parents[2] / "golden" / "refusals").glob("*.json"))
    for answer in json.loads(path.read_text())
]
WRITES: Final = {
    "upload-start": WriteKind.BLOB,
    "upload-patch": WriteKind.BLOB,
    "upload-put": WriteKind.BLOB,
    "manifest-put": WriteKind.MANIFEST,
    "chart": WriteKind.CHART,
}
#: A repository, tag or user may be called by any of them, and stand in the answer.
NAMES: Final = (
    *(
        "quota",
        "storage-limit",
        "quotaexceeded",
        "insufficientstorage",
        "xminiostoragefull",
        "no-space-left-on-device",
    ),
    *("exceeded/quota", "Err28", "QUOTA_EXCEEDED", "limitexceeded"),
)


def refusal_of(answer: Json) -> Refusal:
    headers = {name.lower() for name in answer["headers"]}
    return Refusal(content=answer["body"].encode(), content_type="", names_retry="retry-after" in headers)


def named(answer: Json) -> str:
    return f"{answer['server']}: {answer['when']}: {answer['operation']} {answer['status']}"


@pytest.mark.parametrize("answer", RECORDED, ids=named)
def test_each_answer_is_what_it_was(answer: Json) -> None:
    found = recognise(KNOWN_RULES, WRITES[answer["operation"]], answer["status"], refusal_of(answer))
    assert (found is not None) is answer["is_quota"], found
    assert found is None or found.details


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("write", WriteKind)
@pytest.mark.parametrize("status", [400, 403, 409, 412, 429, 500, 503])
def test_a_name_in_an_answer_is_no_reason(name: str, write: WriteKind, status: int) -> None:
    body = {
        "errors": [
            {
                "code": "DENIED",
                "message": f"filesystem: mkdir /var/lib/registry/{name}/_uploads: permission denied",
                "detail": {"Op": "mkdir", "Path": f"/var/lib/registry/{name}", "Err": 13, "name": name},
            }
        ]
    }
    refusal = Refusal(content=json.dumps(body).encode(), content_type="")
    assert recognise(KNOWN_RULES, write, status, refusal) is None


def test_names_of_rules_differ() -> None:
    names = [rule.name for rule in KNOWN_RULES]
    assert len(set(names)) == len(names)


def test_a_known_rule_is_switched_off_or_changed_and_a_new_one_goes_first() -> None:
    rules = with_changes(
        [
            ("quay", False, {}),
            ("body-limit", True, {"writes": frozenset({WriteKind.MANIFEST})}),
            ("ours", True, {"texts": ("bucket * is full",)}),
        ]
    )
    assert rules[0].name == "ours"
    assert {rule.name for rule in rules} == {rule.name for rule in KNOWN_RULES} - {"quay"} | {"ours"}
    full = Refusal(content=b'{"errors":[{"code":"X","message":"Bucket 7 is FULL"}]}', content_type="")
    found = recognise(rules, WriteKind.BLOB, 422, full)
    assert found is not None
    assert (found.rule, found.details) == ("ours", "Bucket 7 is FULL")
    page = Refusal(content=b"", content_type="")
    assert recognise(rules, WriteKind.BLOB, 413, page) is None
    assert recognise(rules, WriteKind.MANIFEST, 413, page) is not None


def test_a_new_rule_that_is_switched_off_is_none() -> None:
    assert with_changes([("ours", False, {"texts": ("x",)})]) == KNOWN_RULES
