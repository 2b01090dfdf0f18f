import base64

import pytest

from sidecar.policies.signing_keys import signing_keys

NEW = "whsec_" + base64.b64encode(b"n" * 32).decode()


def test_no_secret_gives_no_keys() -> None:
    assert signing_keys("") == ()


def test_prefix_and_padding_may_be_left_out() -> None:
    assert signing_keys(NEW.removeprefix("whsec_").rstrip("=")) == (b"n" * 32,)


@pytest.mark.parametrize("secret", ["whsec_", "whsec_not base64!", "whsec_a", "täst"])
def test_unusable_secrets_are_refused_without_being_quoted(secret: str) -> None:
    with pytest.raises(ValueError, match="signing secret") as caught:
        signing_keys(secret)
    assert "base64!" not in str(caught.value)
