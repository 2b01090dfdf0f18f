"""What a registry name may look like.

A reference with a colon is a digest, one without is a tag: tags cannot contain a colon.
Source: OCI distribution-spec, "Pulling manifests"; digests: OCI image-spec, descriptor.md.
"""

import re
from dataclasses import dataclass
from typing import NewType

from sidecar.model.errors import NameInvalid

Digest = NewType("Digest", str)  #: algorithm:encoded
Tag = NewType("Tag", str)

# No possessive quantifiers: Python before 3.11.5, as in Debian 12, gets groups with them wrong. Each character
# can match in one way only, so there is little backtracking.
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
# Registries parse the first part of a longer name as a host, which may have capitals (distribution
# reference/regexp.go, NameRegexp). With a port it is a name that no storage driver takes.
_LABEL = r"[a-zA-Z0-9]+(?:-+[a-zA-Z0-9]+)*"
_REPOSITORY = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*/)?{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_DIGEST = re.compile(r"[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+")
_REGISTERED = {"sha256": re.compile(r"[a-f0-9]{64}"), "sha512": re.compile(r"[a-f0-9]{128}")}
_FALLBACK_TAG = re.compile(
    r"(?P<algorithm>sha(?:256|384|512))-(?P<encoded>[a-f0-9]{64})(?:\.(?:sig|att|sbom))?"
)

# distribution v3 bounds what follows the first part, at 255 characters, and not the first part itself.
_LONGEST_REPOSITORY = 32 * 1024


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository and the project it belongs to."""

    project: str
    name: str  #: what follows the project; may contain slashes
    full_name: str  #: as clients write it; has no project part when `project` is the default one

    def __str__(self) -> str:
        return self.full_name


def repository_of(full_name: str, *, default_project: str) -> Repository:
    """Split a name into project and rest; a one-component name belongs to the default project.

    The text is not checked: chart repositories allow names that registries do not.
    """
    project, slash, rest = full_name.partition("/")
    if not slash:
        return Repository(default_project, full_name, full_name)
    return Repository(project, rest, full_name)


def parse_repository(full_name: str, *, default_project: str) -> Repository:
    """A registry's repository; raises NameInvalid for what no registry accepts."""
    if len(full_name) > _LONGEST_REPOSITORY or not _REPOSITORY.fullmatch(full_name):
        raise NameInvalid(f"repository name {full_name[:80]!r} is not valid")
    return repository_of(full_name, default_project=default_project)


def is_tag(text: str) -> bool:
    return _TAG.fullmatch(text) is not None


def parse_tag(text: str) -> Tag:
    if not is_tag(text):
        raise NameInvalid(f"tag {text[:140]!r} is not valid")
    return Tag(text)


def parse_digest(text: str) -> Digest:
    """A digest; one of a registered algorithm must have that algorithm's length."""
    algorithm, _, encoded = text.partition(":")
    registered = _REGISTERED.get(algorithm)
    if not _DIGEST.fullmatch(text) or (registered and not registered.fullmatch(encoded)):
        raise NameInvalid(f"digest {text[:140]!r} is not valid")
    return Digest(text)


@dataclass(frozen=True, slots=True)
class Reference:
    """What follows /manifests/: exactly one of the two is set."""

    tag: Tag | None = None
    digest: Digest | None = None

    def __str__(self) -> str:
        return str(self.tag or self.digest)


def parse_reference(text: str) -> Reference:
    if ":" in text:
        return Reference(digest=parse_digest(text))
    return Reference(tag=parse_tag(text))


def encoded_part(digest: str) -> str:
    """A digest without its algorithm, the form Harbor's page calls image_id."""
    return digest.partition(":")[2]


def fallback_subject(tag: str) -> str | None:
    """The beginning of the digest in a referrers or cosign tag, or None for an ordinary tag.

    `sha256-<hex>` is the OCI referrers fallback, `sha256-<hex>.sig|.att|.sbom` is cosign's. Longer digests are
    cut to 64 characters; of a sha256 digest that is all of it. Tools make ordinary tags of digests as well:
    with `.imgpkg` the tag is of an image.
    Source: distribution-spec "Referrers tag schema"; cosign SPEC, "tag-based discovery".
    """
    found = _FALLBACK_TAG.fullmatch(tag)
    return f"{found['algorithm']}:{found['encoded']}" if found else None
