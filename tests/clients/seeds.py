"""Repositories and images that tests of clients begin with."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from tests.clients.journey import Journey, Place
from tests.clients.stack import Stack
from tests.clients.tools import Skopeo
from tests.support.images import Artifact, write_layout

_numbers = count()


@contextmanager
def a_journey(stack: Stack, name: str) -> Iterator[Journey]:
    """In a repository that no other test uses."""
    journey = Journey(stack, f"{name}-{next(_numbers)}")
    yield journey
    journey.finish()


def a_layout(folder: Path, artifact: Artifact) -> Path:
    return write_layout(folder / f"layout-{next(_numbers)}", artifact, tag="v1")


def seed(
    stack: Stack, folder: Path, artifact: Artifact, places: tuple[Place, ...], tag: str = "v1", *flags: str
) -> None:
    """Put it into the registry without the sidecar noticing; the sidecar then learns of it by a pull."""
    skopeo = Skopeo(stack, folder)
    layout = a_layout(folder, artifact)
    for place in places:
        hidden = Place(host=stack.direct, repository=place.repository)
        done = skopeo.push(layout, hidden.tag(tag), "--all", *flags)
        assert done.status == 0, done.output
