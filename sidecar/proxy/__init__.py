"""A request goes to its upstream, the response back to the client; together they are an Exchange.

handler             the journey of a request, top to bottom: read this first
proxy               the proxy as a whole: made, reconfigured, drained and closed
interface           what the proxy is told, and the functions that it is handed
request_context     a request on its way: what is known of it when it has arrived
operations          which operation a request is
observer            what watches a request pass; here nothing but the plain relay
observers           which operation is watched by what
reads               manifests, blobs and pings that are asked for
admission           a write that is forwarded only when it is admitted
writes              writes, recorded before they are answered
charts              charts that are pushed, pulled and deleted
facts               what only the upstream knows, looked up
manifest_facts      the look-ups about manifests
manifest_questions  what they ask, and how often
tag_look_ups        which tags name a digest
chart_facts         the look-ups about charts
manifests           manifests as they are read
chart_copy          an upload of a chart as it goes by
relay               moves bodies
upstream            one request to an upstream, sent once
hearing             connections to upstreams
answers             what an upstream's answer says of itself
answer_head         its head, from what came to what the parser takes
server              all connections of clients
connection          one of them, as aiohttp has it
incoming            bytes of a connection => requests
incoming_body       the body that is being received
timer               something is done after a time, unless it is stopped
arrival             a request that has arrived
heads               a request's head, from bytes to what it says
headers             which headers pass, and which are changed
identity            who made a request
refusals            what the proxy itself answers
budget              how much memory clients may take
descriptors         how many connections there may be
heap                gives free memory back to the system
tasks               what goes on beside requests
unharmed            functions that the proxy is handed may fail
"""

from sidecar.proxy.interface import Hooks, ProxySettings
from sidecar.proxy.proxy import Proxy

__all__ = ["Hooks", "Proxy", "ProxySettings"]
