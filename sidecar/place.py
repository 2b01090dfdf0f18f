"""An upstream as the program's own questions see it: where it is and how to log in to it.

Clients' requests do not come through here; the proxy relays those.
"""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from sidecar.policy import Secret

_TIMEOUT_S: Final = 10.0
_PROBE_TIMEOUT_S: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One upstream."""

    url: str  #: scheme://host[:port]
    username: str = ""  #: "" asks without logging in
    password: Secret = field(default_factory=lambda: Secret(""))
    ca_file: Path | None = None  #: PEM bundle instead of the system's

    def client(self) -> httpx.AsyncClient:
        """A client for questions to this upstream: no redirects, no proxies."""
        # Making a context costs 20 ms; what is not used need not be made.
        verify = tls_context(self.ca_file) if self.url.startswith("https:") else False
        return httpx.AsyncClient(timeout=_TIMEOUT_S, follow_redirects=False, trust_env=False, verify=verify)


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """How an upstream's certificate is verified: by that bundle, or the system's."""
    return ssl.create_default_context(cafile=ca_file)


async def probe(place: Place) -> str:
    """Why an upstream cannot be reached, "" when it can; any answer will do, 401 too."""
    try:
        async with place.client() as http:
            await http.get(f"{place.url}/v2/", timeout=_PROBE_TIMEOUT_S)
    except (httpx.HTTPError, OSError) as exc:
        return f"does not answer: {type(exc).__name__}"
    return ""
