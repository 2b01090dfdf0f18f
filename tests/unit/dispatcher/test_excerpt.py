"""No secret in what is kept of an answer."""

from hypothesis import example, given
from hypothesis import strategies as st

from sidecar.dispatcher.excerpt import LONGEST, excerpt, secret_spellings

BEARER = "Bearer s3cret-token"


def test_short_answers_are_kept_whole() -> None:
    assert excerpt(b'{"ok":true}', secrets=()) == '{"ok":true}'


def test_long_answers_are_cut() -> None:
    assert excerpt(b"x" * 65536, secrets=()) == "x" * LONGEST


def test_bytes_that_are_no_text_can_be_kept() -> None:
    assert "\0" not in excerpt(b"\0\xff\xfe", secrets=())


def test_whole_header_and_bare_token_are_masked() -> None:
    secrets = secret_spellings([BEARER])
    shown = excerpt(b'{"Authorization":"Bearer s3cret-token","t":"s3cret-token"}', secrets=secrets)
    assert shown == '{"Authorization":"***","t":"***"}'


def test_signing_secrets_are_masked_with_and_without_prefix() -> None:
    secrets = secret_spellings(["whsec_abcdefgh whsec_ijklmnop"])
    shown = excerpt(b"abcdefgh whsec_ijklmnop", secrets=secrets)
    assert shown == "*** ***"


def test_secrets_as_json_writes_them_are_masked() -> None:
    secrets = secret_spellings(['Custom a"b\\c-long'])
    assert "long" not in excerpt(rb'{"echo":"Custom a\"b\\c-long"}', secrets=secrets)


def test_secrets_as_others_write_them_are_masked() -> None:
    secrets = secret_spellings(["Key a/b<c>&d long"])
    told = rb"Key a\/b<c>&d long, Key a/b&lt;c&gt;&amp;d long, Key%20a/b%3Cc%3E%26d%20long, Key%20a%2Fb%3Cc%3E%26d%20long"
    assert excerpt(told, secrets=secrets) == "***, ***, ***, ***"


@given(st.integers(0, 5000), st.integers(0, 400))
@example(LONGEST - 3, 0)
@example(LONGEST + 10, 0)
def test_no_part_of_a_secret_is_left_at_the_cut(before: int, repeats: int) -> None:
    secret = "S3CRET-0123456789"
    body = b"." * before + secret.encode() * (repeats + 1) + b"-" * 5000
    shown = excerpt(body[:65536], secrets=secret_spellings([secret]))
    assert "S3" not in shown
    assert len(shown) <= LONGEST
