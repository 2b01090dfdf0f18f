"""What every attempt at one target has in common, worked out once."""

import re
import ssl
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Final
from urllib.parse import quote, unquote, urlsplit
from weakref import WeakValueDictionary

from aiohttp import encode_basic_auth
from yarl import URL

from sidecar.dispatcher.connections import ProxyRoute, Route
from sidecar.dispatcher.egress import always_refused, literal_address
from sidecar.dispatcher.excerpt import secret_spellings
from sidecar.dispatcher.proxies import proxy_for
from sidecar.model.delivery import Unreachable
from sidecar.policies.signing_keys import signing_keys
from sidecar.policies.target import BodySignature, Target, TargetType, TlsFiles
from sidecar.upstreams.client import tls_context

LONGEST_CONNECT_S: Final = 5.0
USER_AGENT: Final = f"registry-webhook-sidecar/{version('registry-webhook-sidecar')}"
_SHORTEST_SECRET: Final = 8  # a value shorter than this is an ordinary word
_WORD: Final = re.compile(r"[A-Z]?[a-z._-]+")
_VISIBLE: Final = string.ascii_letters + string.digits + string.punctuation


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedTarget:
    """A target as the attempts need it."""

    route: Route
    request_line: str
    headers: Mapping[str, str]  #: the same in every attempt
    tls: ssl.SSLContext
    secrets: tuple[str, ...]  #: what an answer must not be seen to echo
    keys: tuple[bytes, ...]  #: sign each attempt when there are any
    body_signature: BodySignature | None = None
    limits: "Limits | None" = None  #: of its own policy


@dataclass(frozen=True, slots=True)
class Limits:
    """How long an attempt may take."""

    whole_s: float
    connect_s: float


def limits_of(whole_s: float) -> Limits:
    return Limits(whole_s, min(LONGEST_CONNECT_S, whole_s))


@dataclass(frozen=True, slots=True)
class TlsContexts:
    """One for each choice of TLS options; no connection serves two."""

    verified: ssl.SSLContext
    unverified: ssl.SSLContext
    _special: WeakValueDictionary[tuple[TlsFiles, bool], ssl.SSLContext] = field(
        default_factory=WeakValueDictionary
    )

    def for_target(self, target: Target) -> ssl.SSLContext:
        """Raises ValueError when the target's files cannot be used."""
        if not target.tls.ca_file and not target.tls.client_cert_file:
            return self.unverified if target.skip_cert_verify else self.verified
        options = (target.tls, target.skip_cert_verify)
        context = self._special.get(options) or _special_context(target.tls, is_verified=not options[1])
        self._special[options] = context
        return context


def make_tls_contexts() -> TlsContexts:
    """With the system's certificate authorities, or those of SSL_CERT_FILE and SSL_CERT_DIR."""
    return TlsContexts(
        verified=ssl.create_default_context(), unverified=_unverified(ssl.create_default_context())
    )


def _unverified(context: ssl.SSLContext) -> ssl.SSLContext:
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _special_context(files: TlsFiles, *, is_verified: bool) -> ssl.SSLContext:
    try:
        context = tls_context(files.ca_file or None)
        if files.client_cert_file:
            # Without a password OpenSSL would ask for one on the terminal.
            context.load_cert_chain(files.client_cert_file, files.client_key_file, password="")
    except OSError as exc:  # ssl.SSLError too
        raise ValueError(f"the target's certificate files cannot be used: {exc.strerror or exc}") from exc
    return context if is_verified else _unverified(context)


def prepare(
    target: Target, *, tls: TlsContexts, environment: Mapping[str, str], timeout_s: float | None = None
) -> PreparedTarget | Unreachable:
    """A target made ready, or why nothing can be sent to it.

    environment    where proxies are named; empty when they are not to be used
    timeout_s      of one whole attempt, where the policy has its own
    """
    try:
        url = request_url(target.address)
        proxy = proxy_for(url, environment)
        keys = signing_keys(f"{target.secret.reveal()} {target.previous_secret.reveal()}")
        headers = _headers(target, url)
        context = tls.for_target(target)
    except ValueError as exc:
        return Unreachable(str(exc))
    is_read_by_proxy = proxy is not None and url.scheme == "http"
    if proxy and is_read_by_proxy:
        headers |= _proxy_headers(proxy)
    return PreparedTarget(
        route=_route(url, proxy, context, for_proxy=tls.verified),
        request_line=f"POST {url if is_read_by_proxy else url.raw_path_qs} HTTP/1.1",
        headers=headers,
        tls=context,
        keys=keys,
        body_signature=target.body_signature,
        secrets=secret_spellings(_secrets(target, url, proxy)),
        limits=limits_of(timeout_s) if timeout_s else None,
    )


def request_url(address: str) -> URL:
    """The address to send to: byte for byte, but without user and fragment.

    Receivers compare paths and read tokens from them, so nothing is normalised. Only what a request
    line cannot carry (blanks, controls, letters beyond ASCII) is percent-encoded. Raises ValueError,
    without the address, which may hold a token.
    """
    try:
        parts = urlsplit(address)
        port, host = parts.port, parts.hostname
    except ValueError as exc:
        raise ValueError("the address is not a URL") from exc
    if parts.scheme not in {"http", "https"} or not host:
        raise ValueError("the address is no http or https URL")
    literal = literal_address(host)
    if literal and (reason := always_refused(literal)):  # a proxy would dial it for us
        raise ValueError(f"address {literal} is not allowed: {reason}")
    rest = address.partition("://")[2]
    start = min((at for delimiter in "/?#" if (at := rest.find(delimiter)) >= 0), default=len(rest))
    return URL(f"{parts.scheme}://{_authority(host, port)}{_sendable(rest[start:])}", encoded=True)


def _authority(host: str, port: int | None) -> str:
    if ":" in host:
        host = f"[{host}]"
    elif "%" in host:  # a proxy may decode it, to what nobody has looked at
        raise ValueError("the address has an impossible host name")
    elif not host.isascii():
        try:
            host = host.encode("idna").decode()
        except UnicodeError as exc:
            raise ValueError("the address has an impossible host name") from exc
    return host if port is None else f"{host}:{port}"


def _sendable(path_and_query: str) -> str:
    return quote(path_and_query.partition("#")[0], safe=_VISIBLE)


def _headers(target: Target, url: URL) -> dict[str, str]:
    headers = {
        "Host": url.host_port_subcomponent or "",
        "User-Agent": USER_AGENT,
        "Accept": "*/*",
        "Accept-Encoding": "identity",
    }
    auth_header = target.auth_header.reveal() or _basic_auth(target.address)
    if auth_header and target.type is TargetType.HTTP:
        headers["Authorization"] = _one_line("auth_header", auth_header)
    extra = {name: _one_line(f"header {name}", value.reveal()) for name, value in target.headers}
    replaced = {name.lower() for name in extra}
    return {name: value for name, value in headers.items() if name.lower() not in replaced} | extra


def _basic_auth(address: str) -> str:
    """Of a user that stands in the address; Go's client, which Harbor sends with, reads it so too."""
    parts = urlsplit(address)
    if parts.username is None:
        return ""
    return encode_basic_auth(unquote(parts.username), unquote(parts.password or ""))


def _route(url: URL, proxy: URL | None, tls: ssl.SSLContext, *, for_proxy: ssl.SSLContext) -> Route:
    is_tls = url.scheme == "https"
    via = None
    if proxy:
        connect = _connect_request(url, proxy) if is_tls else b""
        via = ProxyRoute(proxy.host or "", proxy.port or 0, proxy.scheme == "https", connect)
    return Route(
        host=url.host or "",
        port=url.port or 0,
        tls=tls if is_tls else None,
        proxy=via,
        # What the target says of certificates is not said of the proxy, which is told its password.
        proxy_tls=for_proxy if via and via.is_tls else None,
    )


def _connect_request(url: URL, proxy: URL) -> bytes:
    authority = f"{url.host_subcomponent}:{url.port}"
    headers = {"Host": authority, "User-Agent": USER_AGENT} | _proxy_headers(proxy)
    return head_of(f"CONNECT {authority} HTTP/1.1", headers)


def head_of(request_line: str, headers: Mapping[str, str]) -> bytes:
    """The beginning of a request, up to its body."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{request_line}\r\n{lines}\r\n".encode()


def _one_line(name: str, value: str) -> str:
    if any(character in value for character in "\r\n\0"):
        raise ValueError(f"{name} has a line break, which no header can carry")
    return value


def _proxy_headers(proxy: URL) -> dict[str, str]:
    if proxy.user is None:
        return {}
    return {"Proxy-Authorization": encode_basic_auth(proxy.user, proxy.password or "")}


def _secrets(target: Target, url: URL, proxy: URL | None) -> tuple[str, ...]:
    password = urlsplit(target.address).password or ""
    keys = (target.secret.reveal(), target.previous_secret.reveal())
    body_key = target.body_signature.secret.reveal() if target.body_signature else ""
    headers = (value.reveal() for _, value in target.headers)
    for_proxy = (proxy.password or "", *_proxy_headers(proxy).values()) if proxy else ()
    return (
        *(
            target.auth_header.reveal(),
            *keys,
            body_key,
            password,
            _basic_auth(target.address),
            *for_proxy,
            *_secrets_in(url, target.type),
        ),
        *(value for value in headers if len(value) >= _SHORTEST_SECRET),
    )


def _secrets_in(url: URL, kind: TargetType) -> Iterator[str]:
    """Tokens travel in the query (Zulip) and in the path: of chat services it is one as a whole.

    A receiver may show them in parts. A part that is short, or a word in a path, is no token.
    """
    yield url.raw_query_string
    if kind is not TargetType.HTTP:
        yield url.raw_path.strip("/")
    parts = (part for part in url.parts if not _WORD.fullmatch(part))
    yield from (part for part in (*url.query.values(), *parts) if len(part) >= _SHORTEST_SECRET)
