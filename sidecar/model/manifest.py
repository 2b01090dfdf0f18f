"""The content of a manifest: kind, config, layers, subject, platforms.

Parsing is lenient about values we do not use and strict about shapes we rely on: the bytes are
untrusted. Nothing here decides what is an event.
Source: OCI image-spec manifest.md and image-index.md; Docker "Image Manifest V2, Schema 2".
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from sidecar.model import gojson
from sidecar.model.errors import ManifestInvalid, NameInvalid
from sidecar.model.names import Digest, parse_digest

OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
#: The types that a look-up must accept: a registry hides OCI manifests from clients that do not name them.
MANIFEST_TYPES: Final = (OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST)
INDEX_TYPES: Final = frozenset({OCI_INDEX, DOCKER_LIST})
HELM_CONFIG: Final = "application/vnd.cncf.helm.config.v1+json"

#: Registries refuse more (distribution: 4 MiB); the specification asks for at least that.
LARGEST_MANIFEST_BYTES: Final = 4 * 1024 * 1024

_MOST_DESCRIPTORS: Final = 10_000
_LARGEST_SIZE: Final = 2**63 - 1  # int64, in registries and receivers
_SURROGATES = re.compile("[\ud800-\udfff]")
#: The keys that are read from manifests and image configs, as Go compares them.
_NAMES: Final = {
    gojson.folded(name): name
    for name in (
        "mediaType",
        "config",
        "layers",
        "manifests",
        "subject",
        "artifactType",
        "digest",
        "size",
        "platform",
        "annotations",
        "os",
        "architecture",
        "variant",
    )
}
#: BuildKit marks attestation manifests in an index so (docs/attestations/attestation-storage.md).
_ATTESTATION_ANNOTATION: Final = "vnd.docker.reference.type"
_KEPT: Final = _NAMES | {_ATTESTATION_ANNOTATION: _ATTESTATION_ANNOTATION}  # annotations are a map to Go


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """A pointer to a blob or manifest."""

    digest: Digest
    media_type: str
    size_bytes: int
    platform: str  #: os/architecture[/variant], or "" when the descriptor names none
    is_attestation: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One manifest or index."""

    media_type: str
    size_bytes: int  #: of the manifest itself
    config: Descriptor | None
    layers: tuple[Descriptor, ...]
    children: tuple[Descriptor, ...]  #: of an index, in its order
    subject: Digest | None  #: set when the manifest is attached to another (a referrer)
    artifact_type: str  #: artifactType, else the config's media type
    left_out_bytes: int = 0  #: of layers that are not among `layers`, because there are very many

    @property
    def is_index(self) -> bool:
        return self.media_type in INDEX_TYPES

    @property
    def is_chart(self) -> bool:
        return self.config is not None and self.config.media_type == HELM_CONFIG

    @property
    def content_bytes(self) -> int:
        """Manifest, config and layers as Harbor adds them up; children of an index are not in it.

        Source: Harbor src/controller/artifact/manifest (size = manifest + config + layers).
        """
        config_bytes = self.config.size_bytes if self.config else 0
        layers_bytes = sum(layer.size_bytes for layer in self.layers) + self.left_out_bytes
        return self.size_bytes + config_bytes + layers_bytes

    @property
    def platforms(self) -> tuple[str, ...]:
        """Platforms that the index itself names, attestations left out."""
        named = (c.platform for c in self.children if c.platform and not c.is_attestation)
        return tuple(dict.fromkeys(named))


def media_type_of(content_type: str) -> str:
    """A Content-Type without its parameters: registries accept `; charset=utf-8`."""
    return content_type.partition(";")[0].strip().lower()


def parse_manifest(body: bytes, content_type: str = "") -> Manifest:
    """Read a manifest; the Content-Type wins over the body's mediaType, as in registries.

    Read as registries read it (`gojson`). Raises ManifestInvalid for anything that is not a JSON object of the
    known shapes. Takes up to 4 ms for any 64 KiB, and 0.3 s for 4 MiB: not for the event loop.
    """
    if len(body) > LARGEST_MANIFEST_BYTES:
        raise ManifestInvalid(f"manifest of {len(body)} bytes is larger than {LARGEST_MANIFEST_BYTES}")
    try:
        document = gojson.loads(body, _KEPT)
    except (ValueError, RecursionError) as exc:
        raise ManifestInvalid("manifest is not JSON") from exc
    if not isinstance(document, dict):
        raise ManifestInvalid("manifest is not a JSON object")
    media_type = media_type_of(content_type)
    if media_type not in MANIFEST_TYPES:
        media_type = _text(document, "mediaType") or (OCI_INDEX if "manifests" in document else OCI_MANIFEST)
    config = document.get("config")
    parsed_config = _descriptor(config) if isinstance(config, dict) else None
    subject = document.get("subject")
    return Manifest(
        media_type=media_type,
        size_bytes=len(body),
        config=parsed_config,
        layers=_descriptors(document.get("layers")),
        children=_descriptors(document.get("manifests")),
        subject=_descriptor(subject).digest if isinstance(subject, dict) else None,
        artifact_type=_text(document, "artifactType") or (parsed_config.media_type if parsed_config else ""),
    )


def parse_platform(config: bytes) -> str:
    """os/architecture[/variant] of an image's config, "" when it names none."""
    try:
        document = gojson.loads(config, _NAMES)
    except (ValueError, RecursionError):
        return ""
    return platform_name(document) if isinstance(document, dict) else ""


def manifest_to_document(manifest: Manifest) -> dict[str, Any]:
    """A manifest as JSON values; `manifest_from_document` reads it again."""
    return asdict(manifest)


def manifest_from_document(document: Mapping[str, Any]) -> Manifest:
    config, subject = document["config"], document["subject"]
    return Manifest(
        media_type=document["media_type"],
        size_bytes=document["size_bytes"],
        config=Descriptor(**config) if config else None,
        layers=tuple(Descriptor(**layer) for layer in document["layers"]),
        children=tuple(Descriptor(**child) for child in document["children"]),
        subject=Digest(subject) if subject else None,
        artifact_type=document["artifact_type"],
        left_out_bytes=document["left_out_bytes"],
    )


def platform_name(document: Mapping[str, Any]) -> str:
    """os/architecture[/variant] of a platform object or an image config, "" when unknown."""
    parts = [_text(document, key) for key in ("os", "architecture", "variant")]
    if not parts[0] or not parts[1] or parts[0] == "unknown":
        return ""
    return "/".join(part for part in parts if part)


def _descriptors(value: object) -> tuple[Descriptor, ...]:
    if not isinstance(value, list):
        return ()
    if len(value) > _MOST_DESCRIPTORS:
        raise ManifestInvalid(f"manifest lists {len(value)} descriptors, more than {_MOST_DESCRIPTORS}")
    return tuple(_descriptor(entry) for entry in value if isinstance(entry, dict))


def _descriptor(document: Mapping[str, Any]) -> Descriptor:
    try:
        digest = parse_digest(_text(document, "digest"))
    except NameInvalid as exc:
        raise ManifestInvalid(f"descriptor has no valid digest: {exc}") from exc
    size = document.get("size")
    platform = document.get("platform")
    annotations = document.get("annotations")
    kind = annotations.get(_ATTESTATION_ANNOTATION) if isinstance(annotations, dict) else None
    return Descriptor(
        digest=digest,
        media_type=_text(document, "mediaType"),
        size_bytes=size if type(size) is int and 0 <= size <= _LARGEST_SIZE else 0,
        platform=platform_name(platform) if isinstance(platform, dict) else "",
        is_attestation=kind == "attestation-manifest" or _is_unknown(platform),
    )


def _is_unknown(platform: object) -> bool:
    return (
        isinstance(platform, dict)
        and platform.get("os") == "unknown"
        and platform.get("architecture") == "unknown"
    )


def _text(document: Mapping[str, Any], key: str) -> str:
    """A text, "" for anything else; JSON can contain lone surrogates, which cannot be stored or sent."""
    value = document.get(key)
    return _SURROGATES.sub("\ufffd", value) if isinstance(value, str) else ""
