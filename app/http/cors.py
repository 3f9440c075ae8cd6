"""Browser applications of other origins (the CORS protocol of the Fetch standard): which ones may call the API."""

import re
from collections.abc import Collection

from litestar.types import ASGIApp, Message, Receive, Scope, Send

PATHS = ("/api/", "/v1/", "/v1beta/", "/openai/v1/")
"""Where the routes are that take a token or a key. Pages and sessions are for our own origin alone."""
PANEL_PATHS = frozenset({"/api/me/usage"})
"""What pages that show a user's panel call."""
METHODS = b"GET, HEAD, POST, PATCH, DELETE"
REQUEST_HEADERS = (
    b"Authorization, Content-Encoding, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, X-Request-ID, "
    b"X-User-ID"
)
"""What the routes read beyond what browsers always send."""
OF_PROVIDERS = re.compile(
    rb"user-agent|x-api-key|traceparent|tracestate|anthropic-[a-z0-9-]+|openai-[a-z0-9-]+"
    rb"|x-(?:goog|stainless|twinmeter)-[a-z0-9-]+"
)
"""What SDKs of providers send besides, each of its own names: allowed where it is asked for."""
EXPOSED = (
    b"Age, Content-Disposition, ETag, RateLimit, RateLimit-Policy, Request-ID, Retry-After, Retry-After-Ms, "
    b"X-Request-ID, X-Should-Retry, X-Truncated, X-Twinmeter-Attempts, X-Twinmeter-Cache, X-Twinmeter-Cost, "
    b"X-Twinmeter-Error, X-Twinmeter-Model, X-Twinmeter-Request-ID"
)
PREFLIGHT_SECONDS = b"600"
"""How long a browser may keep the answer to a preflight; some keep it for no longer."""

_PREFLIGHT = [
    (b"access-control-allow-methods", METHODS),
    (b"access-control-max-age", PREFLIGHT_SECONDS),
]
_MOST_ASKED = 4_000
_EXPOSED = (b"access-control-expose-headers", EXPOSED)
_VARY = (b"vary", b"Origin")


class CrossOrigin:
    """Answers preflights, and lets pages of these origins read what the API answers, errors too.

    Never with credentials: a cookie is no proof that its owner wants an application of another origin to read.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str], embedding: Collection[str] = ()) -> None:
        """`embedding`: origins for which this is so of the panel's routes alone."""
        self._app = app
        self._origins = frozenset(origin.encode() for origin in origins)
        self._of_panel = self._origins | {origin.encode() for origin in embedding}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if not path.startswith(PATHS):
            return await self._app(scope, receive, send)
        headers = dict(scope["headers"])
        origin = headers.get(b"origin")
        origins = self._of_panel if path in PANEL_PATHS else self._origins
        allowed = [(b"access-control-allow-origin", origin)] if origin in origins else []
        if allowed and scope.get("method") == "OPTIONS" and b"access-control-request-method" in headers:
            named = (b"access-control-allow-headers", _allowed_headers(headers))
            await send({"type": "http.response.start", "status": 204, "headers": [*allowed, named, *_PREFLIGHT, _VARY]})
            return await send({"type": "http.response.body", "body": b"", "more_body": False})
        return await self._app(scope, receive, _with([*allowed, _EXPOSED, _VARY] if allowed else [_VARY], send))


def _allowed_headers(headers: dict[bytes, bytes]) -> bytes:
    asked = headers.get(b"access-control-request-headers", b"")[:_MOST_ASKED].lower().split(b",")
    return b", ".join([REQUEST_HEADERS, *(each for name in asked if OF_PROVIDERS.fullmatch(each := name.strip()))])


def _with(more: list[tuple[bytes, bytes]], send: Send) -> Send:
    async def send_with(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *more]
        await send(message)

    return send_with
