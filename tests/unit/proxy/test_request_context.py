import pytest
from structlog.testing import capture_logs

from sidecar.proxy.request_context import tags_of, unharmed, unharmed_work


async def test_faults_of_hooks_are_logged_and_end_here() -> None:
    def fail(_: int) -> bool:
        raise ValueError("no")

    async def fail_later() -> None:
        raise ValueError("no")

    with capture_logs() as logs:
        assert unharmed(fail, 1) is None
        await unharmed_work(fail_later())
    assert [entry["event"] for entry in logs] == ["hook.failed", "hook.failed"]


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
