"""A request on its way: what is known of it when it has arrived."""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from aiohttp.http import HttpVersion11

from sidecar.model.exchange import Client
from sidecar.model.operation import Operation, Other, is_registry_path
from sidecar.proxy import headers as headers_of
from sidecar.proxy.budget import Share
from sidecar.proxy.headers import RawHeader, text_of
from sidecar.proxy.identity import is_trusted
from sidecar.proxy.interface import ProxySettings
from sidecar.proxy.operations import operation_of
from sidecar.proxy.refusals import Refused
from sidecar.proxy.relay import Upload, write_raw
from sidecar.proxy.upstream import Upstream

_ABSOLUTE_FORM: Final = re.compile(r"https?://(?:[^/?@]*@)?(?P<host>[^/?@]+)(?P<rest>.*)", re.IGNORECASE)
_NOBODY: Final = Client(address="", operator="", user_agent="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstreams:
    """What the proxy stands before."""

    registry: Upstream
    charts: Upstream | None


@dataclass(slots=True, kw_only=True)
class RequestContext:
    """A request that is on its way."""

    request: web.BaseRequest
    path: str  #: as on the wire, without the query
    target: str  #: path and query
    operation: Operation
    upstream: Upstream
    headers: list[RawHeader]  #: as the upstream gets them
    client: Client  #: nobody, unless somebody wants to hear of the operation
    settings: ProxySettings
    share: Share  #: what may be kept of its bytes is taken from here
    say_continue: Callable[[], None] | None  #: set when the client waits with its body

    def streamed_body(self) -> Upload | None:
        if not self.request.body_exists:
            return None
        return Upload(rest=self.request.content, say_continue=self.say_continue)


def arrive(
    request: web.BaseRequest, share: Share, *, settings: ProxySettings, upstreams: Upstreams
) -> RequestContext:
    """Whose upstream it is, which operation, and what goes there. Raises Refused."""
    authority, target = _split_target(request)
    headers = headers_of.end_to_end(request.raw_headers)
    if authority:
        headers = headers_of.with_host(headers, authority)
    peer, path = request.remote or "", target.partition("?")[0]
    is_registry = is_registry_path(path)
    upstream = upstreams.registry if is_registry else upstreams.charts
    return RequestContext(
        request=request,
        path=path,
        target=target,
        operation=operation_of(request, target, settings.routes) if upstream else Other(),
        upstream=upstream or upstreams.registry,
        headers=headers_of.with_forwarded(
            headers,
            peer=peer,
            scheme="https" if request.get_extra_info("sslcontext") else "http",
            peer_is_trusted=is_trusted(peer, settings.trusted_proxies),
        ),
        client=_NOBODY,
        settings=settings,
        share=share,
        say_continue=_continuation(request, headers),
    )


def _split_target(request: web.BaseRequest) -> tuple[bytes, str]:
    """The authority of an absolute-form target, b"" for the usual form; path and query."""
    target = request.raw_path
    if target.startswith("/"):
        return b"", target
    absolute = _ABSOLUTE_FORM.fullmatch(target)
    if not absolute:
        raise Refused("request target is not supported", status=400, code="UNSUPPORTED")
    rest = absolute["rest"]
    return absolute["host"].encode(), rest if rest.startswith("/") else f"/{rest}"


def _continuation(request: web.BaseRequest, headers: list[RawHeader]) -> Callable[[], None] | None:
    """How to tell a client that waits with its body to send it."""
    expects = text_of(headers, b"expect").lower() == "100-continue"
    if not expects or request.version < HttpVersion11:
        return None

    def say_continue() -> None:
        with suppress(ConnectionError):  # reading the body says so, too
            write_raw(request, b"HTTP/1.1 100 Continue\r\n\r\n")

    return say_continue
