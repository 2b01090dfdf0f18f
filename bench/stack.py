"""The setup for measurements: a real registry, the sidecar in front of it as a process, a receiver."""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.load import NUMBER
from tests.support.images import Artifact, build_image, encode, upload
from tests.support.process import is_installed
from tests.support.servers import Registry, Sidecar, Version, policy

Json = dict[str, Any]

PROJECT = "prj"
REPOSITORY = f"{PROJECT}/app"
TARGET_ID = "receiver"
DATABASE = Path("data") / "sidecar.db"  #: below the folder of a sidecar


@contextmanager
def a_folder() -> Iterator[Path]:
    """Below TMPDIR; a file system in memory would make flushes free and falsify the figures."""
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def a_registry(folder: Path, *, settings: Mapping[str, Any] | None = None) -> Registry:
    version: Version = "3" if is_installed("registry") else "2.8"
    return Registry(folder, version=version, storage="filesystem", settings=settings)


def a_sidecar(folder: Path, *, registry: str, addresses: Sequence[str], **settings: Any) -> Sidecar:
    """With one policy for each address, `receiver-0` and so on, of all events of the project.

    Its target has an id, since deliveries may be stored before its address is known (`backlog.fill`).
    """
    policies = [
        policy(address, id=TARGET_ID) | {"name": f"receiver-{n}"} for n, address in enumerate(addresses)
    ]
    projects = [{"name": PROJECT, "webhook_policies": policies}] if policies else []
    return Sidecar(folder, registry=registry, projects=projects, settings=settings)


def policy_id(number: int) -> str:
    return f"{PROJECT}/receiver-{number}"


def an_image() -> Artifact:
    """An image with NUMBER in its manifest, so that each push can be of a digest of its own."""
    image = build_image("bench")
    document = json.loads(image.manifest) | {"annotations": {"number": NUMBER.decode()}}
    return Artifact(manifest=encode(document), media_type=image.media_type, blobs=image.blobs)


def an_image_in(registry: Registry) -> Artifact:
    """An image whose blobs are in REPOSITORY, and itself under the tag `base`."""
    image = an_image()
    upload(image, registry_url=registry.url, repository=REPOSITORY, tag="base")
    return image
