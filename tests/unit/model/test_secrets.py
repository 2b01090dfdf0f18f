import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.secrets import Secret, mask_text
from sidecar.policies.target import Target


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Bearer abc.def", "Bearer ***"),
        ("bearer abc", "bearer ***"),
        ("BASIC dTpw", "BASIC ***"),
        ("sent 'Authorization: Basic dTpw', got 401", "sent 'Authorization: Basic ***', got 401"),
        ("https://u:p@h:1/a/b?c=d e", "https://***@h:1/a/b?*** e"),
        ("http://token@h", "http://***@h"),
        ("http://h/a@b", "http://h/a@b"),
        ("http://h?x@y", "http://h?***"),
        ("postgresql://u:p@db/x", "postgresql://***@db/x"),
        ("key whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw.", "key ***."),
        ("basically fine", "basically fine"),
        ("sha256:abc", "sha256:abc"),
    ],
)
def test_credentials_inside_text_are_masked(text: str, masked: str) -> None:
    assert mask_text(text) == masked


@given(st.text(alphabet="abcdefgh0123456789", min_size=8), st.text(max_size=20))
def test_a_credential_never_stays(secret: str, around: str) -> None:
    for text in (f"Bearer {secret}", f"https://u:{secret}@h/x", f"https://h/x?a={secret}", f"whsec_{secret}"):
        assert secret not in mask_text(f"{around} {text}").removeprefix(around)


def test_credentials_are_masked_while_the_program_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", None)
    assert mask_text("to Basic c2VrcmV0") == "to Basic ***"


@given(st.text(min_size=1))
def test_secret_shows_itself_nowhere(value: str) -> None:
    secret = Secret(value)
    shown = f"{secret} {secret!r} {Target(address='http://h/', auth_header=secret, secret=secret)}"
    assert shown.count("***") == 4
    assert secret.reveal() == value
    assert value in {"*", "**", "***"} or value not in repr(secret)


def test_empty_secret_is_falsy_and_secrets_compare_by_value() -> None:
    assert not Secret("")
    assert repr(Secret("")) == "''"
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1
