"""A request goes to its upstream, the response back to the client; together they are an Exchange.

handler     the journey, top to bottom: read this first
observers   what is noted on the way, one class for each kind of operation
facts       what only the upstream knows, looked up before it is gone
relay       moves bodies; upstream: one request, sent once; headers, identity: pure
"""

from sidecar.proxy.handler import Proxy
from sidecar.proxy.interface import Hooks, ProxySettings

__all__ = ["Hooks", "Proxy", "ProxySettings"]
