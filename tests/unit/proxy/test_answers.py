import pytest

from sidecar.proxy.answers import tags_of


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("", ()),
        ("v1", ("v1",)),
        (" v1 ,v2,,v1", ("v1", "v2")),
        ("../../etc, <b>x</b>, v1:x, -a, \xe9, " + "a" * 129, ()),
        (",".join(f"v{n}" for n in range(1000)), tuple(f"v{n}" for n in range(64))),
        ("?," * 1_000_000 + "v1", ()),
    ],
)
def test_of_tags_that_an_upstream_names_only_tags_are_believed(text: str, tags: tuple[str, ...]) -> None:
    assert tags_of(text) == tags
