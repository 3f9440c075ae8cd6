"""Prefixes, origins and networks, as operators and proxies name them."""

import re
from ipaddress import ip_network
from urllib.parse import urlsplit

LONGEST = 256
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?")
_USUAL_PORTS = {"http": 80, "https": 443}


def prefix_of(text: str) -> str:
    """A path under which a proxy serves a deployment, such as `/twinmeter`; empty for the top of a host.

    Raises ValueError for what is more than a plain path: it becomes part of pages, cookies and redirects.
    """
    prefix = text.removesuffix("/")
    segments = prefix.split("/")[1:]
    if len(prefix) > LONGEST or not _PREFIX.fullmatch(prefix) or any(not segment.strip(".") for segment in segments):
        raise ValueError("must be a path such as /twinmeter, of letters, digits and - . _ ~ only")
    return prefix


def origin_of(text: str) -> str:
    """An origin as browsers send it: scheme, host, and the port unless it is the usual one. Raises ValueError."""
    origin = text.lower()
    if not _ORIGIN.fullmatch(origin):
        raise ValueError(
            f"{text!r} is not an origin: name each one exactly, such as https://shop.example, without a path"
        )
    parts = urlsplit(origin)
    return origin.removesuffix(f":{_USUAL_PORTS.get(parts.scheme)}")


def network_of(text: str) -> str:
    """An address or a network. Raises ValueError."""
    try:
        ip_network(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not an IP address or a network such as 10.0.0.0/8 ({error})") from error
    return text
