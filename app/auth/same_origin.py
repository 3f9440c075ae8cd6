"""Whether a request comes from a page of ours: what a browser sends along by itself is no proof of anyone's wish."""

from collections.abc import Mapping
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from app.errors import NotAllowedError

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""They change nothing (RFC 9110, 9.2.1)."""


def from_own_page(headers: Mapping[str, str]) -> bool:
    """What the browser says of the page that asks: neither header can be set by a page.

    `Sec-Fetch-Site` decides where it is sent (on https, and on this machine); otherwise `Origin`, which every browser
    sends with unsafe methods, must name the host that was asked. The scheme is left out: a proxy may have ended TLS.
    """
    if (site := headers.get("sec-fetch-site")) is not None:
        return site == "same-origin"
    _, _, authority = headers.get("origin", "").partition("://")
    return authority != "" and authority.lower() == headers.get("host", "").lower()


def came_by_https(scheme: str, headers: Mapping[str, str]) -> bool:
    """Whether the browser reached this deployment by https, as we see it or as its page's origin says.

    Of use where `from_own_page` holds: that origin is ours, so this is right behind any proxy.
    """
    return scheme == "https" or headers.get("origin", "").startswith("https://")


def check_own_page(connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    """Raises NotAllowedError for an unsafe method that no page of ours asks for."""
    method = connection.scope.get("method")  # a WebSocket has none, and is no safe method
    if method not in SAFE_METHODS and not from_own_page(connection.headers):
        raise NotAllowedError(
            "a session is for this deployment's own pages, and the browser did not say that one of them asks; "
            "programs send Authorization: Bearer TOKEN, and a proxy must hand on the Host header"
        )


async def own_page_only(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """A guard of routes that begin and end sessions."""
    # async though it awaits nothing: Litestar calls a plain function in a thread
    check_own_page(connection)
