import re
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.errors import NameInvalid
from sidecar.model.names import (
    Reference,
    encoded_part,
    fallback_subject,
    parse_digest,
    parse_reference,
    parse_repository,
    parse_tag,
    repository_of,
)

HEX = "0123456789abcdef" * 4
# The grammar of the distribution specification, as it prints it
SPECIFIED = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*"
# What distribution takes for a host before it (reference/regexp.go); no storage driver takes one with a port
HOST = (
    r"([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(\.([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*"
)
ACCEPTED = rf"({HOST}\/)?{SPECIFIED}"


@pytest.mark.parametrize(
    ("full_name", "project", "name"),
    [
        ("prj/app", "prj", "app"),
        ("prj/team/app", "prj", "team/app"),
        ("busybox", "library", "busybox"),
        ("a/manifests/blobs", "a", "manifests/blobs"),
        ("a--b/c__d.e_f", "a--b", "c__d.e_f"),
        ("a" * 255, "library", "a" * 255),
        ("Prj/app", "Prj", "app"),
        ("Prj-X.Y/team/app", "Prj-X.Y", "team/app"),
        ("P" * 300 + "/" + "a" * 255, "P" * 300, "a" * 255),
    ],
)
def test_repository_is_project_and_rest(full_name: str, project: str, name: str) -> None:
    repository = parse_repository(full_name, default_project="library")
    assert (repository.project, repository.name, str(repository)) == (project, name, full_name)


@pytest.mark.parametrize(
    "full_name",
    [
        "",
        "/",
        "a/",
        "/a",
        "a//b",
        "A",
        "A_b/c",
        "A-/b",
        "a:5000/b",
        "[::1]/b",
        "a/B",
        "a/..",
        "a/.b",
        "a/b.",
        "a___b",
        "a..b",
        "-a",
        "a b",
        "a/ä",
        "a\n",
        "a" * 40_000,
    ],
)
def test_names_that_no_registry_accepts(full_name: str) -> None:
    with pytest.raises(NameInvalid):
        parse_repository(full_name, default_project="library")


@given(st.from_regex(ACCEPTED, fullmatch=True))
def test_every_specified_name_is_accepted(full_name: str) -> None:
    repository = parse_repository(full_name, default_project="library")
    parts = (repository.project, repository.name)
    assert "/".join(parts) == (full_name if "/" in full_name else f"library/{full_name}")


@given(st.text("aB0._-/\n", max_size=20) | st.text(max_size=20))
def test_no_other_name_is_accepted(full_name: str) -> None:
    is_specified = re.fullmatch(ACCEPTED, full_name) is not None
    try:
        parse_repository(full_name, default_project="library")
    except NameInvalid:
        assert not is_specified
    else:
        assert is_specified


@pytest.mark.parametrize(
    "text", ["a" * 50_000 + "!", "a-" * 25_000, "a/" * 25_000, "a__" * 20_000, "-" * 50_000]
)
def test_hostile_names_cost_next_to_nothing(text: str) -> None:
    began = process_time()
    for parse in (parse_tag, parse_digest, parse_reference):
        with pytest.raises(NameInvalid):
            parse(text)
    with pytest.raises(NameInvalid):
        parse_repository(text, default_project="library")
    assert process_time() - began < 1


def test_chart_names_that_registries_refuse_are_taken_as_they_are() -> None:
    repository = repository_of("Team/App", default_project="library")
    assert (repository.project, repository.name) == ("Team", "App")


@pytest.mark.parametrize("text", ["latest", "v1.2.3", "_x", "A", "0", "a" * 128, "1.0.0_build", "sha256-abc"])
def test_tags(text: str) -> None:
    assert parse_tag(text) == text
    assert parse_reference(text) == Reference(tag=parse_tag(text))


@pytest.mark.parametrize("text", ["", "-a", ".a", "a b", "a/b", "a+b", "a" * 129, "ä", "a\n"])
def test_what_is_no_tag(text: str) -> None:
    with pytest.raises(NameInvalid):
        parse_tag(text)


@pytest.mark.parametrize("text", [f"sha256:{HEX}", f"sha512:{HEX}{HEX}", "blake3:abc", "a+b.c_d-e:A-Z_=0"])
def test_digests(text: str) -> None:
    assert parse_digest(text) == text
    assert parse_reference(text) == Reference(digest=parse_digest(text))
    assert str(parse_reference(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "sha256",
        "sha256:",
        f"sha256:{HEX[1:]}",
        f"sha256:{HEX.upper()}",
        f"sha512:{HEX}",
        "x:y:z",
        "SHA256:a",
        "a:b\n",
        "a++b:c",
    ],
)
def test_what_is_no_digest(text: str) -> None:
    with pytest.raises(NameInvalid):
        parse_digest(text)


@given(st.text(max_size=40))
def test_a_reference_is_a_tag_a_digest_or_refused(text: str) -> None:
    try:
        reference = parse_reference(text)
    except NameInvalid:
        return
    assert (reference.tag is None) != (reference.digest is None)
    assert str(reference) == text


def test_encoded_part_is_the_digest_without_its_algorithm() -> None:
    assert encoded_part(f"sha256:{HEX}") == HEX
    assert not encoded_part("")


@pytest.mark.parametrize("suffix", ["", ".sig", ".att", ".sbom"])
def test_fallback_tags_stand_for_a_digest(suffix: str) -> None:
    assert fallback_subject(f"sha256-{HEX}{suffix}") == f"sha256:{HEX}"


@pytest.mark.parametrize("algorithm", ["sha384", "sha512"])
def test_fallback_tags_of_longer_digests_are_cut_to_64_characters(algorithm: str) -> None:
    assert fallback_subject(f"{algorithm}-{HEX}") == f"{algorithm}:{HEX}"


@pytest.mark.parametrize(
    "tag",
    [
        "latest",
        "sha256-abc",
        f"sha256-{HEX.upper()}",
        f"sha256-{HEX}{HEX}",
        f"sha512-{HEX}{HEX}",
        f"sha256-{HEX}-x",
        f"sha256-{HEX}.imgpkg",
        f"sha256-{HEX}.",
        f"sha256-{HEX}.sig.sig",
        f"md5-{HEX}",
        f"v1-sha256-{HEX}",
        HEX,
    ],
)
def test_ordinary_tags_stand_for_nothing(tag: str) -> None:
    assert fallback_subject(tag) is None
