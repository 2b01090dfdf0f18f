"""The address and login with which the sidecar sends requests of its own to an upstream.

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
class UpstreamClient:
    """One upstream."""

    url: str  #: scheme://host[:port]
    username: str = ""  #: "" for anonymous requests
    password: Secret = field(default_factory=lambda: Secret(""))
    ca_file: Path | None = None  #: PEM bundle instead of the system's

    def session(self) -> httpx.AsyncClient:
        """A session for requests to this upstream: no redirects, no proxies."""
        # A context costs 20 ms, and plain HTTP needs none.
        verify = tls_context(self.ca_file) if self.url.startswith("https:") else False
        return httpx.AsyncClient(timeout=_TIMEOUT_S, follow_redirects=False, trust_env=False, verify=verify)


def tls_context(ca_file: Path | str | None) -> ssl.SSLContext:
    """Verifies servers' certificates by that PEM bundle, or by the system's.

    Every certificate in the bundle is trusted, as by curl and Go: a root, an intermediate, or the server's
    own. The server's name is verified in any case. Raises OSError; ssl.SSLError, a subclass, where the file holds
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
    # On by default since Python 3.13; it refuses certificates for extensions that neither curl nor Go requires.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


async def probe(upstream: UpstreamClient) -> str:
    """Why an upstream cannot be reached; "" when it answers, whatever the status (401 included)."""
    try:
        async with upstream.session() as http:
            await http.get(f"{upstream.url}/v2/", timeout=_PROBE_TIMEOUT_S)
    except (httpx.HTTPError, OSError) as exc:
        return f"does not answer: {type(exc).__name__}"
    return ""
