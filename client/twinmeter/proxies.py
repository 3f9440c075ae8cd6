"""The proxy that requests go through, where the environment names one: HTTPS_PROXY, HTTP_PROXY and NO_PROXY."""

from __future__ import annotations

from base64 import b64encode
from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass

PORT = 80


class Proxy(NamedTuple):
    """Where it listens, and what it is told about who asks."""

    scheme: str
    host: str
    port: int
    headers: dict[str, str]


def proxy_for(scheme: str, host: str, port: int) -> Proxy | None:
    """The proxy for requests to this server; None where there is none. Raises ValueError where it has no address."""
    named = getproxies_environment().get(scheme)
    if not named or proxy_bypass(f"{host}:{port}"):
        return None
    parts = urlsplit(named if "://" in named else f"http://{named}")
    headers = {}
    if parts.username is not None:
        said = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Proxy-Authorization"] = f"Basic {b64encode(said.encode()).decode()}"
    return Proxy(parts.scheme, parts.hostname or "", parts.port or PORT, headers)
