"""An upstream as the program's own questions see it: where it is and how to log in to it.

Clients' requests do not come through here; the proxy relays those.
"""

import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from sidecar.model.secrets import Secret

_TIMEOUT_S: Final = 10.0
_PROBE_TIMEOUT_S: Final = 2.0
#: Certificates put together without a newline between them, which OpenSSL does not read.
_GLUED: Final = re.compile(rb"(-----END [A-Z0-9 ]+-----)[ \t]*(-----BEGIN )")
_CERTIFICATE: Final = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


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


def tls_context(ca_file: Path | str | None) -> ssl.SSLContext:
    """How a server's certificate is verified: by that bundle of PEM, or the system's.

    Whatever is in the bundle is trusted, as curl and Go do: an authority, one below it, or the server's own
    certificate. The server's name is verified in any case. Raises OSError, as ssl.SSLError where it holds
    no certificate.
    """
    if ca_file is None:
        return ssl.create_default_context()
    content = Path(ca_file).read_bytes()
    if _GLUED.search(content):
        mended = _GLUED.sub(rb"\1\n\2", content)
        found = b"\n".join(_CERTIFICATE.findall(mended)).decode("ascii", "replace")
        context = ssl.create_default_context(cadata=found)
    else:
        context = ssl.create_default_context(cafile=ca_file)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    # On from Python 3.13; it refuses certificates that lack what neither curl nor Go asks for.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


async def probe(place: Place) -> str:
    """Why an upstream cannot be reached, "" when it can; any answer will do, 401 too."""
    try:
        async with place.client() as http:
            await http.get(f"{place.url}/v2/", timeout=_PROBE_TIMEOUT_S)
    except (httpx.HTTPError, OSError) as exc:
        return f"does not answer: {type(exc).__name__}"
    return ""
