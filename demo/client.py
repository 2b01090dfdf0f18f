"""A plain HTTP client, for machines without crane, skopeo, curl or helm.

    python -m demo.client push FOLDER HOST/REPOSITORY:TAG       an OCI layout
    python -m demo.client pull HOST/REPOSITORY:TAG FOLDER
    python -m demo.client delete HOST/REPOSITORY@DIGEST
    python -m demo.client upload|download FILE URL
    python -m demo.client remove URL

On a refusal it prints the server's response and ends with status 1.
"""

import json
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import httpx

from tests.support.images import INDEX, MANIFEST, Artifact, upload


def push(folder: str, name: str) -> None:
    host, repository, tag = _parse(name, ":")
    upload(_read_layout(Path(folder)), registry_url=f"http://{host}", repository=repository, tag=tag)


def pull(name: str, folder: str) -> None:
    """The manifest by its tag, then what it lists."""
    host, repository, tag = _parse(name, ":")
    Path(folder).mkdir(exist_ok=True)
    with httpx.Client(base_url=f"http://{host}/v2/{repository}", trust_env=False) as client:
        accept = {"Accept": f"{MANIFEST}, {INDEX}"}
        manifest = client.get(f"/manifests/{tag}", headers=accept).raise_for_status().json()
        for blob in (manifest["config"], *manifest["layers"]):
            content = client.get(f"/blobs/{blob['digest']}").raise_for_status().content
            (Path(folder) / blob["digest"].removeprefix("sha256:")).write_bytes(content)


def delete(name: str) -> None:
    host, repository, digest = _parse(name, "@")
    remove(f"http://{host}/v2/{repository}/manifests/{digest}")


def upload_file(file: str, url: str) -> None:
    httpx.post(url, content=Path(file).read_bytes(), trust_env=False).raise_for_status()


def offer(file: str, url: str) -> None:
    """Upload a file that may be refused before all of it is sent."""
    with suppress(httpx.TransportError):
        httpx.post(url, content=Path(file).read_bytes(), trust_env=False)


def download(file: str, url: str) -> None:
    Path(file).write_bytes(httpx.get(url, trust_env=False).raise_for_status().content)


def remove(url: str) -> None:
    httpx.delete(url, trust_env=False).raise_for_status()


def _parse(name: str, mark: str) -> tuple[str, str, str]:
    host, _, path = name.partition("/")
    repository, _, reference = path.rpartition(mark)
    return host, repository, reference


def _read_layout(folder: Path) -> Artifact:
    """The one image of a layout."""

    def blob(digest: str) -> bytes:
        return (folder / "blobs" / digest.replace(":", "/")).read_bytes()

    (entry,) = json.loads((folder / "index.json").read_bytes())["manifests"]
    manifest = blob(entry["digest"])
    document = json.loads(manifest)
    digests = [part["digest"] for part in (document["config"], *document["layers"])]
    return Artifact(manifest=manifest, blobs={digest: blob(digest) for digest in digests})


COMMANDS: Final[dict[str, Callable[..., None]]] = {
    "push": push,
    "pull": pull,
    "delete": delete,
    "upload": upload_file,
    "offer": offer,
    "download": download,
    "remove": remove,
}


def main() -> None:
    command, *words = sys.argv[1:]
    try:
        COMMANDS[command](*words)
    except httpx.HTTPStatusError as refused:
        sys.exit(f"{refused}: {refused.response.text}")
    except httpx.TransportError as error:
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
