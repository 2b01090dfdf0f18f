"""How the proxy is connected to the rest: its settings, and the functions it is given.

The proxy knows nothing of events, policies or stores. `app` passes in the functions of `Hooks`.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_network
from ssl import SSLContext
from typing import Any, Final, Protocol

from sidecar.model import defaults
from sidecar.model.admission import AdmissionRequest, Admitted, Denied
from sidecar.model.client_limits import ClientLimits
from sidecar.model.exchange import Client, Exchange
from sidecar.model.memory import Recalled
from sidecar.model.names import Digest, Repository
from sidecar.model.operation import Operation, Routes

Network = IPv4Network | IPv6Network

#: How an https upstream is verified: by default, not at all, or by a context with its own authorities.
TlsChoice = SSLContext | bool

#: Peers whose X-Forwarded-* headers are believed.
PRIVATE_NETWORKS: Final[tuple[Network, ...]] = tuple(map(ip_network, defaults.PRIVATE_NETWORKS))


def _wants_none(_: Operation) -> bool:
    return False


def _notes_none(_: Client) -> None:
    pass


def _notes_nothing(_: Client, __: Repository, ___: Digest) -> None:
    pass


async def _takes_none(_: Operation, __: str) -> None:
    pass


def _counts_none(_: Operation, __: int, ___: float) -> None:
    pass


class Parse(Protocol):
    """Parses untrusted input, off the event loop and within hard limits."""

    async def __call__(
        self,
        kind: str,
        payload: bytes | bytearray | Iterable[bytes],
        options: Mapping[str, Any],
        /,
        *,
        asked_by: str = "",
    ) -> dict[str, Any] | None:
        """The result, None if it failed; never raises because of the payload."""


async def _recalls_nothing(_: Repository, __: Digest) -> Recalled:
    return Recalled()


async def _reads_nothing(
    _: str,
    __: bytes | bytearray | Iterable[bytes],
    ___: Mapping[str, Any],
    /,
    *,
    asked_by: str = "",  # noqa: ARG001
) -> dict[str, Any] | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """The functions called in addition to relaying."""

    #: Whether any policy is interested; False means plain relaying: no copy, no identity, no look-up, no admission.
    is_observed: Callable[[Operation], bool]
    #: Whether Chart.yaml of OCI charts of this repository is to be looked up.
    wants_oci_chart: Callable[[Repository], bool]
    #: Whether an observed write may be forwarded. What is to be durable before it is, is when this returns. How long that
    #: takes, and what is answered when nothing can be known, is its own to decide; it does not raise.
    admit: Callable[[AdmissionRequest], Awaitable[Admitted | Denied]]
    #: Durable when it returns.
    record: Callable[[Exchange], Awaitable[None]]
    #: A GET of a blob was answered with 2xx or 3xx; called before its body is relayed.
    saw_blob: Callable[[Client, Repository, Digest], None]
    #: A step of a blob upload began or ended; with the time when it began.
    saw_upload: Callable[[Client, Repository, datetime], None]
    #: A client asked whether a blob is there.
    saw_blob_question: Callable[[Client, Repository, Digest], None] = _notes_nothing
    #: A client checked whether this is a registry, perhaps without a user name.
    saw_ping: Callable[[Client], None] = _notes_none
    #: Whether the Authorization of an accepted request of this kind is of use to `reconcile_as`.
    wants_credentials: Callable[[Operation], bool] = _wants_none
    #: Gets it once, in addition to the request, and must not store it.
    reconcile_as: Callable[[Operation, str], Awaitable[None]] = _takes_none
    #: Operation, status (0 = no whole answer) and seconds of every request, when it has ended.
    finished: Callable[[Operation, int, float], None] = _counts_none
    #: What a kind of `parsing.kinds` reads in a payload.
    parse: Parse = _reads_nothing
    #: What is remembered of a manifest; never raises.
    recall: Callable[[Repository, Digest], Awaitable[Recalled]] = _recalls_nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxySettings:
    """The proxy's part of the configuration; can be replaced while it runs."""

    registry_url: str
    chart_repository_url: str | None = None  #: None: every path goes to the registry
    routes: Routes = field(default_factory=Routes)
    trusted_proxies: tuple[Network, ...] = PRIVATE_NETWORKS  #: peers whose X-Forwarded-* are believed
    chart_form_fields: tuple[str, ...] = (defaults.CHART_FORM_FIELD,)  #: of an upload sent as a form
    registry_tls: TlsChoice = True
    chart_repository_tls: TlsChoice = True
    connect_timeout_s: float = defaults.CONNECT_TIMEOUT_S
    look_up_timeout_s: float = defaults.LOOK_UP_TIMEOUT_S  #: all look-ups of one exchange together
    most_tags_looked_up: int = 1000
    limits: ClientLimits = field(default_factory=ClientLimits)
