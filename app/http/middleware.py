"""What every request passes through: an id that its log lines share, time and rate limits, and security headers."""

import asyncio
import math
import random
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.enums import ScopeType
from litestar.handlers.base import BaseRouteHandler
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import RequestTimeoutError, TookTooLongError
from app.http.head import allowing_head
from app.http.rate_limit import RateLimit
from app.observability.logs import Log

REQUEST_ID = "x-request-id"
BODY_SECONDS = 10.0
"""How long a client may take to send its body, and then a second more for each so many bytes that have come:"""
BODY_BYTES_PER_SECOND = 16_000
REQUEST_SECONDS = 90.0
"""How long a request may take in all. Reports have shorter limits of their own."""
SLOW_SECONDS = 2.0
"""A request that takes longer is logged even where debugging is off."""
OPEN_ENDED = {"open_ended": True}
"""`opt` of a route whose responses last as long as the caller listens: they have no time limit, and are never slow."""
SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}
"""Of every response that does not say otherwise: figures are for the caller only, and our pages are never framed."""

RATE_OF_ITS_OWN = {"rate_of_its_own": True}
"""`opt` of a route whose requests are counted apart from the caller's others: neither uses up what the other may."""

_REQUEST_ID = REQUEST_ID.encode()
_SECURITY_HEADERS = [(name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]
_USABLE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
(_OPEN_ENDED_KEY,) = OPEN_ENDED
_STATE_KEY = "request_id"
_STATUS_KEY = "response_status"


class RequestLimits(ASGIMiddleware):
    """Names the request and bounds its time."""

    scopes = (ScopeType.HTTP,)

    def __init__(self) -> None:
        # bound once: an event at a level that is off then costs a fraction of a microsecond
        self._log = Log(__name__, bound=True)
        self.in_hand: Counter[str] = Counter()
        """The requests that are being handled, by method and route, without those that last."""

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        open_ended = _OPEN_ENDED_KEY in scope["route_handler"].opt
        with self.handling(scope, scope["path_template"], open_ended=open_ended):
            try:
                async with asyncio.timeout(None if open_ended else REQUEST_SECONDS):
                    await next_app(scope, receive if open_ended else in_time(receive), send)
            except TimeoutError as error:
                message = f"this took longer than {REQUEST_SECONDS:.0f} seconds; request less data"
                raise TookTooLongError(message) from error

    @contextmanager
    def handling(
        self, scope: Scope, template: str, *, since: float | None = None, open_ended: bool = False
    ) -> Iterator[None]:
        """Name a request of this route, and know of it, for as long as it is handled: `since` then, or now."""
        structlog.contextvars.bind_contextvars(request_id=request_id(scope))
        route = f"{scope.get('method')} {template}"
        started = time.perf_counter() if since is None else since
        if not open_ended:
            self.in_hand[route] += 1
        try:
            yield
        finally:
            if not open_ended:
                self._let_go(route)
            self._tell(scope, time.perf_counter() - started, slow_from=math.inf if open_ended else SLOW_SECONDS)
            structlog.contextvars.unbind_contextvars("request_id")

    def _let_go(self, route: str) -> None:
        self.in_hand[route] -= 1
        if not self.in_hand[route]:
            del self.in_hand[route]

    def _tell(self, scope: Scope, seconds: float, *, slow_from: float) -> None:
        level = self._log.warning if seconds > slow_from else self._log.debug
        status = scope["state"].get(_STATUS_KEY)  # none yet where an error is still to be answered
        level(
            "request.completed",
            method=scope.get("method"),
            path=scope["path"],
            status=status,
            milliseconds=round(seconds * 1000, 1),
        )


def in_time(receive: Receive) -> Receive:
    """`receive`, as long as the body comes fast enough: who lets it trickle holds its place in the budget of bodies."""
    until: float | None = None
    complete = False

    async def receive_in_time() -> Any:
        nonlocal until, complete
        if complete:  # what comes then is the end of the connection
            return await receive()
        # from when it is first asked for: how long a request waits for that is not the client's doing
        until = asyncio.get_running_loop().time() + BODY_SECONDS if until is None else until
        try:
            async with asyncio.timeout_at(until):
                message: Any = await receive()
        except TimeoutError as error:
            rate = f"{BODY_SECONDS:.0f} seconds and one more for each {BODY_BYTES_PER_SECOND // 1000} kB"
            raise RequestTimeoutError(f"the body took longer than {rate}") from error
        until += len(message.get("body", b"")) / BODY_BYTES_PER_SECOND
        complete = not message.get("more_body", False)
        return message

    return receive_in_time


def request_id(scope: Scope) -> str:
    """The id of a request: the client's own where that is harmless, else one of ours."""
    state: dict[str, Any] = scope["state"]
    if _STATE_KEY not in state:
        said = next((value.decode("latin-1") for key, value in scope["headers"] if key == _REQUEST_ID), "")
        # from the process's own generator: asking the system each time would cost a system call per request
        state[_STATE_KEY] = said if _USABLE_ID.fullmatch(said) else f"{random.getrandbits(64):016x}"
    return str(state[_STATE_KEY])


async def add_headers(message: Message, scope: Scope) -> None:
    """Before a response is sent: its request id, and what keeps browsers from misusing it."""
    if message["type"] != "http.response.start":
        return
    scope["state"][_STATUS_KEY] = message["status"]
    headers = list(message.get("headers", ()))
    said = {name.lower() for name, _ in headers}
    if b"allow" in said:
        headers = allowing_head(headers)
    if _REQUEST_ID not in said:  # a provider's own goes on to its client, who is to quote it there
        headers.append((_REQUEST_ID, request_id(scope).encode("latin-1")))
    headers.extend(header for header in _SECURITY_HEADERS if header[0] not in said)
    message["headers"] = headers


async def within_rate(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """A guard: refuses callers over their rate limit. Raises TooManyRequestsError."""
    # async though it awaits nothing: Litestar calls a plain function in a thread
    if (caller := connection.scope.get("user")) is not None:
        apart = not RATE_OF_ITS_OWN.keys().isdisjoint(handler.opt)
        admit(caller, connection.app.state, *[handler.name or ""] if apart else [])


def admit(caller: Any, state: State, *apart: str) -> None:
    """Count a request of a caller, `apart` from its others. Raises TooManyRequestsError where that is one too many."""
    limit: RateLimit = state.rate_limit
    limit.admit((caller.subject, caller.client, *apart))
