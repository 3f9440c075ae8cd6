"""Whether a request comes from our own page: a cookie that a browser sends by itself does not prove intent."""

from collections.abc import Mapping
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from app.errors import NotAllowedError

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""They change nothing (RFC 9110, 9.2.1)."""


def from_own_page(headers: Mapping[str, str]) -> bool:
    """What the browser says about the requesting page: a page can set neither header.

    `Sec-Fetch-Site` decides where it is sent (on https, and on this machine); otherwise `Origin`, which every browser
    sends with unsafe methods, must name the requested host. The scheme is ignored: a proxy may have terminated TLS.
    """
    if (site := headers.get("sec-fetch-site")) is not None:
        return site == "same-origin"
    _, _, authority = headers.get("origin", "").partition("://")
    return authority != "" and authority.lower() == headers.get("host", "").lower()


def came_by_https(scheme: str, headers: Mapping[str, str]) -> bool:
    """Whether the browser reached this deployment by https, as seen here or as its page's origin says.

    Of use where `from_own_page` holds: that origin is ours, so this is right behind any proxy.
    """
    return scheme == "https" or headers.get("origin", "").startswith("https://")


def check_own_page(connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    """Raises NotAllowedError for an unsafe method that was not requested by our own page."""
    method = connection.scope.get("method")  # a WebSocket has none, and is not safe
    if method not in SAFE_METHODS and not from_own_page(connection.headers):
        raise NotAllowedError(
            "a session is for this deployment's own pages, and the browser did not say that one of them sent this; "
            "programs send Authorization: Bearer TOKEN, and a proxy must pass the Host header on"
        )


async def own_page_only(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """A guard of routes that begin and end sessions."""
    # async though it awaits nothing: Litestar calls a plain function in a thread
    check_own_page(connection)
