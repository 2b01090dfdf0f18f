"""Which proxy the environment names for an address.

The rules are Go's, because Harbor's are (http.ProxyFromEnvironment): HTTP_PROXY, HTTPS_PROXY and
NO_PROXY in either case, networks allowed in NO_PROXY, loopback never proxied; but for SOCKS, which is refused
in words. aiohttp's own reading of
the environment is not used: it costs a thread per request and would send credentials of ~/.netrc.

Source: golang.org/x/net/http/httpproxy, Config.
"""

from collections.abc import Mapping
from ipaddress import ip_address, ip_network

from yarl import URL


def proxy_for(url: URL, environment: Mapping[str, str]) -> URL | None:
    """The proxy for an address, None for a direct connection; raises ValueError for an unusable one."""
    text = _setting(environment, f"{url.scheme}_proxy")
    host, port = (url.host or "").lower().rstrip("."), url.port or 0
    if not text or _is_loopback(host) or _is_excluded(host, port, _setting(environment, "no_proxy")):
        return None
    proxy = URL(text if "://" in text else f"http://{text}")
    if proxy.scheme not in {"http", "https"} or not proxy.host:
        raise ValueError(
            f"{url.scheme.upper()}_PROXY names no http or https proxy; others (socks5) are not offered"
        )
    return proxy


def _setting(environment: Mapping[str, str], name: str) -> str:
    return environment.get(name.upper()) or environment.get(name) or ""


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _is_excluded(host: str, port: int, exclusions: str) -> bool:
    return any(_excludes(entry.strip().lower(), host, port) for entry in exclusions.split(","))


def _excludes(entry: str, host: str, port: int) -> bool:
    if not entry or entry == "*":
        return entry == "*"
    try:
        return ip_address(host) in ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        pass
    name, colon, entry_port = entry.rpartition(":")
    if colon and entry_port.isdecimal():
        return int(entry_port) == port and _excludes(name, host, port)
    suffix = entry.removeprefix("*")
    return host.endswith(suffix) if suffix.startswith(".") else host == entry or host.endswith("." + entry)
