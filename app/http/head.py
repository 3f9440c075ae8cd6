"""HEAD wherever GET is (RFC 9110, 9.3.2): a GET whose caller has all it wants with the headers."""

import asyncio
from typing import Any, cast

from litestar.types import ASGIApp, Message, Receive, Scope, Send

Headers = list[tuple[bytes, bytes]]


class HeadIsGet:
    """Answers HEAD as the application answers GET, without the body.

    The caller seems to leave with the first piece of the body: event streams end, and downloads are not read.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("method") != "HEAD":
            return await self._app(scope, receive, send)
        left = asyncio.Event()
        # a copy, because the server reads from its own that no body may follow
        as_get = cast("Scope", {**scope, "method": "GET"})
        return await self._app(as_get, _request_then(left, receive), _headers_then(left, send))


def _headers_then(left: asyncio.Event, send: Send) -> Send:
    async def send_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            await send(message)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            left.set()
            await asyncio.sleep(0)  # whoever listens for the caller to leave comes first

    return send_headers


def _request_then(left: asyncio.Event, receive: Receive) -> Receive:
    asked = False

    async def receive_request() -> Any:
        nonlocal asked
        if not asked:
            asked = True
            return await receive()
        await left.wait()
        return {"type": "http.disconnect"}

    return receive_request


def allowing_head(headers: Headers) -> Headers:
    """Headers whose `Allow` names HEAD beside GET."""
    return [(name, _with_head(value) if name.lower() == b"allow" else value) for name, value in headers]


def _with_head(allowed: bytes) -> bytes:
    methods = {method.strip() for method in allowed.split(b",")}
    return b", ".join(sorted(methods | {b"HEAD"})) if b"GET" in methods else allowed
