"""The server of the ingest benchmark: the real application, and two handlers that only read a body.

`/bench/noop` is a route of the application itself, behind its authentication, guards and middleware. `/bare` is one of
an application that has none of these.
"""

from typing import Any

from litestar import Controller, Litestar, Request, post
from litestar.types import ASGIApp, Receive, Send
from litestar.types import Scope as ASGIScope

from app.auth.middleware import requires
from app.auth.principals import Principal, Scope
from app.main import create_app
from app.server import Failure
from app.settings import Settings
from scripts.bench.serving import run

NO_OP = "/bench/noop"
BARE = "/bare"


class NoOpController(Controller):
    """As `POST /api/ai/track`, but without its work."""

    path = NO_OP
    guards = (requires(Scope.INGEST),)

    @post(status_code=201)
    async def nothing(self, request: Request[Principal, Any, Any]) -> dict[str, int]:
        return {"bytes": len(await request.body())}


class BareController(Controller):
    """The least that Litestar does for a POST."""

    path = BARE

    @post(status_code=201)
    async def nothing(self, request: Request[Any, Any, Any]) -> dict[str, int]:
        return {"bytes": len(await request.body())}


def create_bench_app(settings: Settings, mongodb_uri: str, on_failure: Failure) -> ASGIApp:
    """The real application and the bare one beside it."""
    real, bare = create_app(settings, mongodb_uri, on_failure), Litestar([BareController], openapi_config=None)
    real.register(NoOpController)

    async def either(scope: ASGIScope, receive: Receive, send: Send) -> None:
        app = bare if scope.get("path") == BARE else real
        await app(scope, receive, send)

    return either


if __name__ == "__main__":
    run(create_bench_app)
