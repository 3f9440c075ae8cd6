"""Browser applications of other origins (the CORS protocol of the Fetch standard): which ones may call the API."""

from collections.abc import Collection

from litestar.types import ASGIApp, Message, Receive, Scope, Send

PATHS = ("/api/", "/v1/")
"""Where the routes are that take a token or a key. Pages and sessions are for our own origin alone."""
METHODS = b"GET, HEAD, POST"
REQUEST_HEADERS = (
    b"Authorization, Content-Encoding, Content-Type, Idempotency-Key, Last-Event-ID, X-Request-ID, X-User-ID"
)
"""What the routes read beyond what browsers always send."""
EXPOSED = b"Content-Disposition, Retry-After, X-Request-ID, X-Truncated"
PREFLIGHT_SECONDS = b"600"
"""How long a browser may keep the answer to a preflight; some keep it for no longer."""

_PREFLIGHT = [
    (b"access-control-allow-methods", METHODS),
    (b"access-control-allow-headers", REQUEST_HEADERS),
    (b"access-control-max-age", PREFLIGHT_SECONDS),
]
_EXPOSED = (b"access-control-expose-headers", EXPOSED)
_VARY = (b"vary", b"Origin")


class CrossOrigin:
    """Answers preflights, and lets pages of these origins read what the API answers, errors too.

    Never with credentials: a cookie is no proof that its owner wants an application of another origin to read.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        self._app = app
        self._origins = frozenset(origin.encode() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if not path.startswith(PATHS):
            return await self._app(scope, receive, send)
        headers = dict(scope["headers"])
        origin = headers.get(b"origin")
        allowed = [(b"access-control-allow-origin", origin)] if origin in self._origins else []
        if allowed and scope.get("method") == "OPTIONS" and b"access-control-request-method" in headers:
            await send({"type": "http.response.start", "status": 204, "headers": [*allowed, *_PREFLIGHT, _VARY]})
            return await send({"type": "http.response.body", "body": b"", "more_body": False})
        return await self._app(scope, receive, _with([*allowed, _EXPOSED, _VARY] if allowed else [_VARY], send))


def _with(more: list[tuple[bytes, bytes]], send: Send) -> Send:
    async def send_with(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *more]
        await send(message)

    return send_with
