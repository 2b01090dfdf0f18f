"""Errors in the forms that answers have; whatever comes, something is read and nothing raises."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.exchange import LARGEST_REFUSAL_BYTES
from sidecar.quota.words import Said, said_in


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"errors":[{"code":"A","message":"m","detail":"d"}]}', Said(code="A", texts=("m", "d"))),
        ('{"errors":[{"code":"A","detail":{"Err":28}}]}', Said(code="A", texts=('{"Err":28}',))),
        ('{"errors":[{"status":413,"message":"m"}]}', Said(texts=("m",))),
        ('{"errors":["m"]}', Said(texts=("m",))),
        ('{"error":"m"}', Said(texts=("m",))),
        ('{"error":{"code":"A","message":"m"}}', Said(code="A", texts=("m",))),
        ('{"title":"t","detail":"d"}', Said(texts=("d", "t"))),
        ('\ufeff  {"message":"m"}\n', Said(texts=("m",))),
        ("m\n", Said(texts=("m",))),
        (
            "<html><head><title>413 Too Large</title></head><body><h1>413 &amp; more</h1></body></html>",
            Said(texts=("413 Too Large", "413 Too Large 413 & more")),
        ),
        ("<Error><Code>Full</Code></Error>", Said(texts=("Full",))),
    ],
)
def test_what_each_form_says(body: str, said: Said) -> None:
    assert said_in(body.encode()) == (said,)


def test_several_errors_are_several() -> None:
    body = b'{"errors":[{"code":"A","message":"1"},{"code":"B","message":"2"}]}'
    assert [found.code for found in said_in(body)] == ["A", "B"]


def test_what_was_cut_off_is_read_as_far_as_it_goes() -> None:
    (said,) = said_in(b'{"errors":[{"code":"DENIED","message":"adding \\"1\\" of it","detail":"and th')
    assert said.code == "DENIED"
    assert said.texts[:2] == ('adding "1" of it', "and th")


def test_an_empty_answer_says_nothing() -> None:
    assert said_in(b"") == said_in(b" \r\n") == ()


@pytest.mark.parametrize(
    "body", [b"[" * 20_000, b"{" * 20_000, b'{"a":' * 9000, b"<" * 20_000, b'"' * 20_000]
)
def test_hostile_answers_are_read_in_linear_time(body: bytes) -> None:
    said_in(body)


def test_only_the_beginning_is_looked_at() -> None:
    assert said_in(b" " * LARGEST_REFUSAL_BYTES + b"m") == ()


@given(st.binary(max_size=400) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(("errors", "error", "code", "message", "detail")), inner),
).map(lambda document: json.dumps(document).encode()))  # fmt: skip
def test_any_answer_is_read(body: bytes) -> None:
    for said in said_in(body):
        assert isinstance(said.code, str)
        assert all(isinstance(text, str) for text in said.texts)
