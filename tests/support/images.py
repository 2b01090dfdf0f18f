"""Images, indexes and charts made in pure Python, the same bytes for the same seed.

What it makes is accepted by skopeo (`oci:`), crane (`push FOLDER`), docker (`docker load`) and helm.
Contents are incompressible, so sizes are what was asked for within a few hundred bytes.
"""

import gzip
import hashlib
import io
import json
import random
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
IN_TOTO = "application/vnd.in-toto+json"
HELM_CONFIG = "application/vnd.cncf.helm.config.v1+json"
HELM_CONTENT = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"

Json = dict[str, Any]


def digest_of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def encode(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A manifest or index with everything below it."""

    manifest: bytes
    media_type: str = MANIFEST
    blobs: Mapping[str, bytes] = field(default_factory=dict)  #: by digest; without the children's
    children: tuple["Artifact", ...] = ()
    platform: str = ""  #: os/architecture[/variant]; empty for an index
    annotations: Mapping[str, str] = field(default_factory=dict)  #: of its descriptor in an index

    @property
    def digest(self) -> str:
        return digest_of(self.manifest)

    @property
    def size(self) -> int:
        """As Harbor counts: manifest, config and layers; children added up."""
        own = len(self.manifest) + sum(map(len, self.blobs.values()))
        return own + sum(child.size for child in self.children)

    @property
    def descriptor(self) -> Json:
        described: Json = {"mediaType": self.media_type, "digest": self.digest, "size": len(self.manifest)}
        if self.platform:
            keys = ("os", "architecture", "variant")
            described["platform"] = dict(zip(keys, self.platform.split("/"), strict=False))
        if self.annotations:
            described["annotations"] = dict(self.annotations)
        return described

    def walk(self) -> Iterator["Artifact"]:
        """Children first: the order in which a registry accepts them."""
        for child in self.children:
            yield from child.walk()
        yield self


def build_tar(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mode = 0o644
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def build_layer(seed: str, size: int) -> bytes:
    return build_tar({f"{digest_of(seed.encode())[-12:]}.bin": random.Random(seed).randbytes(size)})


def compress(content: bytes) -> bytes:
    return gzip.compress(content, compresslevel=1, mtime=0)


def build_artifact(
    config: bytes,
    layers: list[tuple[str, bytes]],
    *,
    config_type: str = CONFIG,
    platform: str = "",
    **more: Any,
) -> Artifact:
    """A manifest over a config and (media type, content) layers; `more` are further keys of the manifest."""
    blobs = {digest_of(content): content for content in (config, *(layer for _, layer in layers))}
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": describe(config_type, config),
        "layers": [describe(media_type, layer) for media_type, layer in layers],
        **more,
    }
    return Artifact(manifest=encode(manifest), blobs=blobs, platform=platform)


def describe(media_type: str, content: bytes) -> Json:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def build_image(
    seed: str = "image", *, platform: str = "linux/amd64", layers: int = 1, layer_size: int = 1024
) -> Artifact:
    """An image that docker and containerd unpack."""
    tars = [build_layer(f"{seed}/{platform}/{number}", layer_size) for number in range(layers)]
    system, architecture, *variant = platform.split("/")
    config = {
        "architecture": architecture,
        "os": system,
        **({"variant": variant[0]} if variant else {}),
        "config": {"Labels": {"seed": seed}},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(tar) for tar in tars]},
        "history": [{"created_by": f"layer {number}"} for number in range(layers)],
    }
    return build_artifact(encode(config), [(LAYER, compress(tar)) for tar in tars], platform=platform)


def build_index(*children: Artifact, **more: Any) -> Artifact:
    manifests = [child.descriptor for child in children]
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests, **more}
    return Artifact(manifest=encode(index), media_type=INDEX, children=children)


def build_multi_platform(
    seed: str = "multi",
    *,
    platforms: tuple[str, ...] = ("linux/amd64", "linux/arm64"),
    layer_size: int = 1024,
) -> Artifact:
    return build_index(
        *(build_image(seed, platform=platform, layer_size=layer_size) for platform in platforms)
    )


def build_attestation(subject: Artifact) -> Artifact:
    """A provenance manifest as BuildKit adds it to an index: platform unknown/unknown."""
    config = encode(
        {"architecture": "unknown", "os": "unknown", "rootfs": {"type": "layers", "diff_ids": []}}
    )
    statement = encode(
        {"_type": "https://in-toto.io/Statement/v0.1", "subject": [{"digest": subject.digest}]}
    )
    attestation = build_artifact(config, [(IN_TOTO, statement)], platform="unknown/unknown")
    reference = {
        "vnd.docker.reference.digest": subject.digest,
        "vnd.docker.reference.type": "attestation-manifest",
    }
    return Artifact(
        manifest=attestation.manifest,
        blobs=attestation.blobs,
        platform=attestation.platform,
        annotations=reference,
    )


def build_attested(seed: str = "attested") -> Artifact:
    """What `docker buildx build --push` sends: an image with its attestation in one index."""
    image = build_image(seed)
    return build_index(image, build_attestation(image))


def build_nested(seed: str = "nested") -> Artifact:
    return build_index(build_multi_platform(seed))


def write_layout(folder: Path, artifact: Artifact, *, tag: str = "latest") -> Path:
    """An OCI layout with one tagged entry: `oci:FOLDER:TAG` to skopeo, a path to crane."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    for part in artifact.walk():
        for content in (part.manifest, *part.blobs.values()):
            (blobs / digest_of(content).removeprefix("sha256:")).write_bytes(content)
    (folder / "oci-layout").write_bytes(encode({"imageLayoutVersion": "1.0.0"}))
    entry = artifact.descriptor | {"annotations": {"org.opencontainers.image.ref.name": tag}}
    (folder / "index.json").write_bytes(encode({"schemaVersion": 2, "manifests": [entry]}))
    return folder


def write_oci_archive(path: Path, artifact: Artifact, *, name: str) -> Path:
    """A tar of the layout, which `ctr images import` and podman read."""
    files = {"oci-layout": encode({"imageLayoutVersion": "1.0.0"})}
    for part in artifact.walk():
        for content in (part.manifest, *part.blobs.values()):
            files["blobs/sha256/" + digest_of(content).removeprefix("sha256:")] = content
    entry = artifact.descriptor | {"annotations": {"io.containerd.image.name": name}}
    files["index.json"] = encode({"schemaVersion": 2, "manifests": [entry]})
    path.write_bytes(build_tar(files))
    return path


def write_docker_archive(path: Path, image: Artifact, *, name: str) -> Path:
    """What `docker load` and `skopeo copy docker-archive:` read; layers are stored uncompressed."""
    config, *layers = image.blobs.values()
    tars = {f"{number}/layer.tar": gzip.decompress(layer) for number, layer in enumerate(layers)}
    config_name = digest_of(config).removeprefix("sha256:") + ".json"
    manifest = [{"Config": config_name, "RepoTags": [name], "Layers": list(tars)}]
    path.write_bytes(build_tar({config_name: config, **tars, "manifest.json": encode(manifest)}))
    return path


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    name: str
    version: str
    type: str
    content: bytes  #: the .tgz
    metadata: bytes  #: Chart.yaml; JSON, which is YAML too

    @property
    def file_name(self) -> str:
        return f"{self.name}-{self.version}.tgz"

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / self.file_name
        path.write_bytes(self.content)
        return path

    @property
    def provenance(self) -> bytes:
        """A .prov in its form; nobody signed it, and ChartMuseum does not look."""
        fields = json.loads(self.metadata)
        lines = [f"{key}: {value}" for key, value in fields.items()]
        body = "\n".join(
            ["", *lines, "", "...", "files:", f"  {self.file_name}: {digest_of(self.content)}", ""]
        )
        head = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n"
        return (
            f"{head}{body}-----BEGIN PGP SIGNATURE-----\n\nbm9ib2R5\n-----END PGP SIGNATURE-----\n".encode()
        )


def build_chart(
    name: str = "mychart",
    version: str = "1.0.0",
    *,
    chart_type: str = "application",
    size: int = 512,
    **more: Any,
) -> Chart:
    """A chart with one file of `size` bytes beside it; `more` are further keys of Chart.yaml."""
    fields = {"apiVersion": "v2", "name": name, "version": version, "type": chart_type, **more}
    metadata = encode(fields)
    noise = random.Random(f"{name}-{version}").randbytes(size // 2).hex().encode()
    files = {"Chart.yaml": metadata, "values.yaml": b"{}\n", "templates/NOTES.txt": noise}
    content = compress(build_tar({f"{name}/{path}": file for path, file in files.items()}))
    return Chart(name=name, version=version, type=chart_type, content=content, metadata=metadata)


def build_chart_artifact(chart: Chart) -> Artifact:
    """A chart as `helm push` stores it in a registry."""
    return build_artifact(chart.metadata, [(HELM_CONTENT, chart.content)], config_type=HELM_CONFIG)


def upload(
    artifact: Artifact, *, registry_url: str, repository: str, tag: str, auth: tuple[str, str] | None = None
) -> str:
    """Push by plain HTTP, children first, and return the digest."""
    with httpx.Client(auth=auth, trust_env=False) as client:
        return upload_with(client, artifact, f"{registry_url}/v2/{repository}", tag=tag)


def upload_with(client: httpx.Client, artifact: Artifact, url: str, *, tag: str) -> str:
    """Push to the repository at this URL over the connections of a client."""
    for part in artifact.walk():
        for digest, content in part.blobs.items():
            location = client.post(f"{url}/blobs/uploads/").raise_for_status().headers["Location"]
            place = httpx.URL(url).join(location).copy_add_param("digest", digest)
            client.put(place, content=content).raise_for_status()
        reference = tag if part is artifact else part.digest
        headers = {"Content-Type": part.media_type}
        client.put(f"{url}/manifests/{reference}", content=part.manifest, headers=headers).raise_for_status()
    return artifact.digest
