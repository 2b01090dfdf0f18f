"""What an upstream's answer says of itself, in its head."""

from collections.abc import Sequence
from typing import Final

from aiohttp import ClientResponse

from sidecar.model.errors import NameInvalid
from sidecar.model.manifest import INDEX_TYPES, MANIFEST_TYPES, media_type_of
from sidecar.model.names import Digest, is_tag, parse_digest
from sidecar.proxy.headers import RawHeader, text_of, values_of
from sidecar.proxy.request_context import RequestContext

_LONGEST_REQUEST_ID: Final = 128
_MOST_OCI_TAGS: Final = 64  #: distribution-spec asks servers for ten at least


def request_id_of(headers: Sequence[RawHeader]) -> str:
    return text_of(headers, b"x-request-id")[:_LONGEST_REQUEST_ID]


def named_digest(answer: ClientResponse) -> Digest | None:
    try:
        return parse_digest(answer.headers.get("Docker-Content-Digest", ""))
    except NameInvalid:
        return None


def depends_on_accept(context: RequestContext, answer: ClientResponse) -> bool:
    """Whether a registry may have answered with another manifest than the tag names, as the client accepts no other.

    It takes a list for its amd64 image then, and 2.8 an image for one of the first version. It reads types by name:
    neither `*/*` nor no Accept at all is one. Source: distribution registry/handlers/manifests.go, GetManifest.
    """
    if context.request.method not in {"GET", "HEAD"}:
        return False
    if media_type_of(answer.headers.get("Content-Type", "")) in INDEX_TYPES:
        return False
    accepted = b",".join(values_of(context.headers, b"accept")).decode("latin-1").split(",")
    return not set(MANIFEST_TYPES).issubset(map(media_type_of, accepted))


def oci_tags(answer: ClientResponse) -> tuple[str, ...]:
    joined = b",".join(values_of(answer.raw_headers, b"oci-tag")).decode("latin-1")
    return tags_of(joined)


def tags_of(text: str) -> tuple[str, ...]:
    """The tags in a list that an upstream wrote, as many as are believed; what is no tag is left out."""
    named = (tag.strip() for tag in text.split(",", 4 * _MOST_OCI_TAGS)[: 4 * _MOST_OCI_TAGS])
    return tuple(dict.fromkeys(tag for tag in named if is_tag(tag)))[:_MOST_OCI_TAGS]
