"""FastAPI, Starlette, Litestar, and whatever else speaks ASGI: the calls of a request are its user's."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Callable

from twinmeter.client import FLUSH_SECONDS
from twinmeter.flushing import flush_beside
from twinmeter.integrations.request_fields import Asked, RequestFields, is_signed_in, within

_IDS = ("id", "pk", "sub", "username")


def signed_in(scope: dict[str, Any]) -> Any:
    """Whom an authentication middleware has put into the scope: an id, or an object that has one."""
    user = scope.get("user")
    if user is None or isinstance(user, (str, int)):
        return user
    if not is_signed_in(user):
        return None
    told = user if isinstance(user, dict) else {name: getattr(user, name, None) for name in _IDS}
    return next((told[name] for name in _IDS if told.get(name) is not None), None)


class asgi:  # noqa: N801 - it is used as a function
    """An ASGI middleware: `app.add_middleware(twinmeter.asgi, user=lambda scope: ...)` in FastAPI and Starlette,
    `Litestar(..., middleware=[DefineMiddleware(twinmeter.asgi, user=...)])` in Litestar.

    `user`, `content_type` and `conversation` are texts, or functions of the scope. They are asked when a call is made:
    what the application has put into `scope["state"]` and `scope["user"]` by then is there. Where the lifespan passes
    through it, as in FastAPI and Starlette, its end is flushed.
    """

    def __init__(
        self,
        app: Callable[..., Awaitable[None]],
        *,
        user: Asked = signed_in,
        content_type: Asked = None,
        conversation: Asked = None,
    ) -> None:
        self.app = app
        self._asked = {"user_id": user, "content_type": content_type, "conversation_id": conversation}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, _flushing(send))
        else:
            with within(RequestFields(scope, self._asked)):
                await self.app(scope, receive, send)


def _flushing(send: Any) -> Any:
    """Flush when the application has shut down: uvicorn then dies of the signal it was sent, without an exit."""

    async def flush_and_send(message: Any) -> None:
        if message["type"].startswith("lifespan.shutdown."):
            await flush_beside(FLUSH_SECONDS)
        await send(message)

    return flush_and_send
