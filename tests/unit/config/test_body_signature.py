"""The HMAC of the body that a target may ask for."""

from pathlib import Path

import pytest

from sidecar.model.secrets import Secret
from sidecar.policies.target import BodySignature
from tests.unit.config.conftest import TARGET, TARGET_ENVIRONMENT, Errors, Load, one_target

AT = f"harbor.yml: {TARGET}.body_signature"


def test_left_out_the_body_alone_is_not_signed(load_text: Load) -> None:
    target = load_text(one_target()).policies[0].targets[0]
    assert (target.body_signature, target.is_signed) == (None, False)


def test_it_is_what_flux_reads_unless_said_otherwise(load_text: Load) -> None:
    target = load_text(one_target(body_signature="{secret: no base64!}")).policies[0].targets[0]
    assert target.is_signed
    assert target.body_signature == BodySignature(
        header="X-Signature", prefix="sha256=", secret=Secret("no base64!")
    )


def test_header_and_prefix_can_be_chosen(load_text: Load) -> None:
    text = one_target(body_signature="{header: X-Hmac, prefix: '', secret: x}")
    assert load_text(text).policies[0].targets[0].body_signature == BodySignature(
        header="X-Hmac", prefix="", secret=Secret("x")
    )


def test_the_secret_may_stand_in_a_file_or_in_the_environment(load_text: Load, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("of the file\n")
    text = one_target(body_signature="{secret_file: token}")
    environ = {f"{TARGET_ENVIRONMENT}__BODY_SIGNATURE__SECRET": "of the environment"}
    for settings, secret in (
        (load_text(text), "of the file"),
        (load_text(text, environ), "of the environment"),
    ):
        signature = settings.policies[0].targets[0].body_signature
        assert signature
        assert signature.secret.reveal() == secret


@pytest.mark.parametrize(
    ("section", "error"),
    [
        (
            "{header: X-Y}",
            f"{AT}.secret: is missing; add it, or secret_file (the text that the receiver knows)",
        ),
        ("{secret: ''}", f"{AT}.secret: must not be empty"),
        ("{secret: x, header: webhook-signature}", f"{AT}.header: is set by the sidecar itself; remove it"),
        (
            "{secret: x, header: 'a b'}",
            f"{AT}.header: is no name of a header; use letters, digits and hyphens",
        ),
        ('{secret: x, prefix: "a\\nb"}', f"{AT}.prefix: must be visible ASCII text, as sha256="),
        ("{secret: x, algorithm: sha1}", f"{AT}.algorithm: unknown key"),
        ("sha256", f"{AT}: must hold keys and values"),
    ],
)
def test_errors(errors_of: Errors, section: str, error: str) -> None:
    assert errors_of(one_target(body_signature=section)) == [error]


def test_a_header_of_the_same_name_is_an_error(errors_of: Errors) -> None:
    assert errors_of(one_target(headers="{x-signature: a}", body_signature="{secret: x}")) == [
        f"{AT}.header: stands among the headers of this target too; remove one of the two"
    ]
