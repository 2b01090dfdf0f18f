"""A request that has arrived: its head in aiohttp's form, its share of the memory, the reason of a refusal."""

from dataclasses import dataclass, field
from typing import Final, Protocol, cast, runtime_checkable

from aiohttp import web
from aiohttp.http import HttpVersion, HttpVersion11
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from sidecar.proxy.budget import Share
from sidecar.proxy.headers import RawHeader
from sidecar.proxy.heads import Head, HeadRefused
from sidecar.proxy.refusals import Refused

_ROOT: Final = URL("/")
_NO_HEADERS: Final[CIMultiDictProxy[str]] = CIMultiDictProxy(CIMultiDict())


@runtime_checkable
class Lingers(Protocol):
    """A connection that is not closed at once."""

    async def linger(self) -> None: ...


@dataclass(slots=True, kw_only=True, eq=False)
class Arrival:
    """A request in the form that aiohttp expects (its RawRequestMessage), and its share of the memory."""

    method: str
    path: str
    share: Share
    version: HttpVersion = HttpVersion11
    headers: CIMultiDictProxy[str] = field(
        default_factory=lambda: _NO_HEADERS
    )  #: only those that aiohttp itself uses
    raw_headers: tuple[RawHeader, ...] = ()
    should_close: bool = True
    fault: Refused | None = None
    compression: None = field(default=None, init=False)
    upgrade: bool = field(default=False, init=False)
    chunked: bool = False
    url: URL = _ROOT


class ClientRequest(web.BaseRequest):
    """A request of a client."""

    @property
    def share(self) -> Share:
        """Its share of the budget; the handler of the request closes it."""
        return self._arrival.share

    @property
    def fault(self) -> Refused | None:
        """Why it is refused, if its head already shows that."""
        return self._arrival.fault

    @property
    def _arrival(self) -> Arrival:
        return cast("Arrival", self._message)

    async def linger(self) -> None:
        """Let the client read the response while it may still be sending."""
        if isinstance(self._protocol, Lingers):
            await self._protocol.linger()


def arrival_of(head: Head, share: Share) -> Arrival:
    headers = _NO_HEADERS
    if head.length is not None:
        headers = CIMultiDictProxy(CIMultiDict({"Content-Length": str(head.length)}))
    return Arrival(
        method=head.method,
        path=head.target,
        share=share,
        version=head.version,
        headers=headers,
        raw_headers=head.headers,
        should_close=not head.keep_alive,
        chunked=head.is_chunked,
    )


def refused_by(refused: HeadRefused) -> Refused:
    return Refused(refused.message, status=refused.status, code="UNSUPPORTED")
