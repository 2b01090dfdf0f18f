"""Field validators: each returns the value, or raises ValueError with a message.

The messages never repeat the value: an address may contain a password.
"""

import re
from ipaddress import ip_network
from urllib.parse import SplitResult, urlsplit

from sidecar.config.errors import did_you_mean
from sidecar.config.settings import Network
from sidecar.model.event import OF_HARBOR_ALONE, EventType, of_harbor_alone, parse_event_type
from sidecar.model.operation import DYNAMIC
from sidecar.policies.globs import plain_globs
from sidecar.policies.policy import ALL_PROJECTS
from sidecar.policies.signing_keys import signing_keys

_HOST = re.compile(r"(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\.?)(?::[0-9]{1,5})?")
_PROJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
_CONTEXT_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([KMGTP]i?B|B)?")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,255}")  # RFC 9110 5.6.2
_TARGET_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MEDIA_TYPE = re.compile(
    rf'{_TOKEN.pattern}/{_TOKEN.pattern}(?:[ \t]*;[ \t]*{_TOKEN.pattern}=(?:{_TOKEN.pattern}|"[ !#-\[\]-~]*"))*'
)
# Headers of the request itself; those of the last lines are hop-by-hop.
_OUR_HEADERS = {
    *("host", "content-length", "content-type", "content-encoding", "transfer-encoding", "accept-encoding"),
    *("webhook-id", "webhook-timestamp", "webhook-signature"),
    *("connection", "keep-alive", "proxy-connection", "proxy-authorization", "te", "trailer", "upgrade"),
    "expect",
}
# Argo CD and others recognise the sender of a webhook by these, before they read the body.
_FOREIGN_HEADERS = {"x-github-event", "x-gitlab-event", "x-gogs-event", "x-gitea-event", "x-event-key"}
_POWERS = "BKMGTP"
_UNLIMITED = -1
_LEAST_MEMORY_BYTES = 16 * 1024**2
_MOST_MEMORY_BYTES = 64 * 1024**3


def plain_text(text: str) -> str:
    """One line without control characters."""
    if not text.strip() or not text.isprintable():
        raise ValueError("must be one line of visible text")
    return text


def host_name(text: str) -> str:
    if "://" in text:
        raise ValueError("must be a host without a scheme; a scheme belongs into external_url")
    if not _HOST.fullmatch(text) or not _is_port(text.rpartition("]")[2].partition(":")[2] or "1"):
        raise ValueError("must be host or host:port, as registry.example.com")
    return text


def listen_address(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if not colon or not _is_port(port) or not _HOST.fullmatch(host or "0"):
        raise ValueError("must be host:port, as 0.0.0.0:5000")
    return text


def split_address(text: str) -> tuple[str, int]:
    """Host and port of a checked listen address; no host is "::", every interface of either family."""
    host, _, port = text.rpartition(":")
    return host.strip("[]") or "::", int(port)


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < int(text) < 65536


def base_url(text: str) -> str:
    """The URL of an upstream: scheme and host only, because path and query come from the client."""
    parts = _http_url(text)
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user name; use the keys username and password")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("must end after host and port; a chart repository's path goes into context_path")
    return text.rstrip("/?#")


def external_url(text: str) -> str:
    parts = _http_url(text)
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("must be a plain URL, as https://registry.example.com")
    return text.rstrip("/")


def target_address(text: str) -> str:
    _http_url(text)
    return text


def _http_url(text: str) -> SplitResult:
    if not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        raise ValueError("must be an absolute URL of ASCII characters without spaces")
    try:
        parts = urlsplit(text)
        known_port = parts.port != 0
    except ValueError:
        raise ValueError("must be an absolute URL; its host or port cannot be read") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or not known_port:
        raise ValueError("must be an absolute URL beginning with http:// or https://")
    return parts


def header_value(text: str) -> str:
    """A value that may follow `Authorization:`. Source: RFC 9110 5.5, without obs-text."""
    if not text.isascii() or not text.replace("\t", " ").isprintable():
        raise ValueError("must be one line of ASCII text; remove line breaks and control characters")
    if text != text.strip():
        raise ValueError("must not begin or end with a space")
    return text


def media_type(text: str) -> str:
    """What may follow `Content-Type:`. Source: RFC 9110 8.3.1."""
    if not _MEDIA_TYPE.fullmatch(text):
        raise ValueError("must be a media type, as text/plain; charset=utf-8")
    return text


def header_name_fault(name: str) -> str:
    """Why a header of that name cannot be configured; "" when it can."""
    lower = name.lower()
    if not _TOKEN.fullmatch(name):
        return "is no name of a header; use letters, digits and hyphens"
    if lower == "authorization":
        return "has a key of its own; use auth_header"
    if lower in _OUR_HEADERS or lower.startswith("x-sidecar-"):
        return "is set by the sidecar itself; remove it"
    if lower in _FOREIGN_HEADERS or lower.startswith("x-vss-"):
        return "would make receivers take the request for another system's; remove it"
    return ""


def header_name(text: str) -> str:
    if fault := header_name_fault(text):
        raise ValueError(fault)
    return text


def header_prefix(text: str) -> str:
    """The prefix of a value in a header; may be empty."""
    if not text.isascii() or not text.isprintable() or text != text.lstrip():
        raise ValueError("must be visible ASCII text, as sha256=")
    return text


def target_id(text: str) -> str:
    if not _TARGET_ID.fullmatch(text):
        raise ValueError(
            "must be 1 to 64 letters, digits, dots, hyphens and underscores, and begin with a letter or digit"
        )
    return text


def signing_secret(text: str) -> str:
    signing_keys(text)
    return text


def event_type(text: str) -> str:
    """Also accepts Harbor's types that are never raised here: a notice says so."""
    if parse_event_type(text) is None and of_harbor_alone(text) is None:
        known = [*EventType, *(kind.harbor2 for kind in EventType), *OF_HARBOR_ALONE]
        raise ValueError(f"no such event type{did_you_mean(text, known)}; known are {', '.join(EventType)}")
    return text


def project_name(text: str) -> str:
    if text != ALL_PROJECTS and not _PROJECT.fullmatch(text):
        raise ValueError("must be the first part of repository names, without a slash, or *")
    return text


def glob(text: str) -> str:
    if not text or not text.isprintable() or text != text.strip():
        raise ValueError("must be a glob, as prj/app-*")
    return text


def name_glob(text: str) -> str:
    r"""For repositories and tags, which never contain [ ] or \\: as wildcards these would match nothing."""
    if set("[]\\") & set(text):
        raise ValueError("cannot have [ ] or \\; the wildcards are * ** ? and {a,b}")
    if any(set("{}") & set(plain) for plain in plain_globs(text)):
        raise ValueError("has a brace without its other half")
    return glob(text)


def operator_glob(text: str) -> str:
    """Empty means anonymous clients."""
    return text and glob(text)


def rejection_text(text: str) -> str:
    """Text of a response, with `*` for anything."""
    if not text.replace("*", "").strip() or not text.isprintable():
        raise ValueError("must be one line of what the answer says, as: bucket * is full")
    return text


def cidr(text: str) -> str:
    as_network(text)
    return text


def as_network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError:
        raise ValueError("must be an address or a network, as 10.0.0.0/8 (host bits zero)") from None


def context_path(text: str) -> str:
    stripped = text.rstrip("/")
    if stripped and not _CONTEXT_PATH.fullmatch(stripped):
        raise ValueError("must begin with a slash, as /charts")
    return stripped


def chart_depth(value: object) -> object:
    """A whole number, or `dynamic`; the type is checked by the caller."""
    if value == "dynamic":
        return DYNAMIC
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("must be a whole number from 0 up, or dynamic")
    return value


def storage_limit(value: object) -> object:
    """Bytes; -1 means no limit."""
    if value == _UNLIMITED and not isinstance(value, bool | float):
        return value
    size_bytes = size_in_bytes(value)
    if size_bytes is None:
        raise ValueError("must be a size, as 10GiB, 500MB or a number of bytes, or -1 for no limit")
    return size_bytes


def memory_size(value: int | str) -> int | str:
    """A size; the minimum has room for one manifest of the largest size and its copy."""
    size_bytes = size_in_bytes(value)
    if size_bytes is None or not _LEAST_MEMORY_BYTES <= size_bytes <= _MOST_MEMORY_BYTES:
        raise ValueError("must be a size from 16MiB to 64GiB, as 256MiB")
    return value


def size_in_bytes(value: object) -> int | None:
    found = _SIZE.fullmatch(str(value)) if isinstance(value, int | str) else None
    if found is None or isinstance(value, bool):
        return None
    number, unit = found.groups()
    base = 1024 if unit and "i" in unit else 1000
    return int(float(number) * base ** _POWERS.index((unit or "B")[0]))
