"""Authentication: a token, an API key or a session becomes a principal, and guards check its scopes."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.handlers.base import BaseRouteHandler
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult

from app.audit import Actor, How, act_as
from app.auth.attempts import RefusedCredentials
from app.auth.principals import Principal, Recheck, Scope
from app.auth.refused import Reason, RefusedError, SessionEndedError
from app.auth.same_origin import check_own_page, from_own_page
from app.auth.sessions import cleared, session_in
from app.errors import NotAllowedError

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""
API_KEY_PREFIX = "tm_"
PUBLIC = {"exclude_from_auth": True}
"""`opt` of a route that anyone may call."""
PANEL = {"of_panel": True}
"""`opt` of a route that a panel token opens: it opens no other."""


async def principal_of(credential: str, state: State) -> Principal:
    """The bearer of a token or an API key. Raises RefusedError, and 503s where it cannot be checked now."""
    checker = state.api_keys if credential.startswith(API_KEY_PREFIX) else state.tokens
    principal: Principal = await checker.principal(credential)
    return principal


def known_principal(credential: str, state: State) -> Principal | None:
    """The same, as far as memory tells at once: None where it must be looked up or verified, or is refused."""
    checker = state.api_keys if credential.startswith(API_KEY_PREFIX) else state.tokens
    known: Principal | None = checker.known(credential)
    return known


def credential_in(authorization: str) -> str | None:
    """What an `Authorization` header bears; None where that is of another scheme, empty where it is nothing."""
    scheme, _, text = authorization.partition(" ")
    return text.strip() if scheme.lower() == "bearer" else None


class AuthenticationMiddleware(AbstractAuthenticationMiddleware):
    """Refuses every request without a valid token, API key or session, except on routes marked public."""

    async def authenticate_request(self, connection: ASGIConnection[Any, Any, Any, Any]) -> AuthenticationResult:
        credential = credential_in(connection.headers.get("authorization", ""))
        asked: Recheck
        if credential:
            asked = partial(principal_of, credential, connection.app.state)
        # another scheme is for a proxy in front, whose password browsers send along
        elif credential is None and (cookie := session_in(connection.headers.get("cookie", ""))) is not None:
            asked = partial(_of_session, cookie, connection)
        else:
            asked = _of_nothing
        # the text itself goes no further: nothing behind this needs it, and nothing can log it; a response that lasts
        # for hours only checks again
        return AuthenticationResult(user=await checked(asked, connection), auth=asked)


async def checked(asked: Recheck, connection: ASGIConnection[Any, Any, Any, Any]) -> Principal:
    """Who asks, for the first time. Raises RefusedError, or what slows down who guesses, and 503s."""
    try:
        return await asked()
    except RefusedError as error:
        refused: RefusedCredentials = connection.app.state.refused_credentials
        raise refused.answer(error, connection.client.host if connection.client else None) from None


async def _of_nothing() -> Principal:
    raise RefusedError(Reason.MISSING, "send a token or an API key: Authorization: Bearer TOKEN")


async def _of_session(cookie: str, connection: ASGIConnection[Any, Any, Any, Any]) -> Principal:
    """Who signed in, checked like any bearer: revoking a key ends its sessions as soon as the key is refused."""
    check_own_page(connection)
    state = connection.app.state
    try:
        return await principal_of(state.sessions.opened(cookie), state)
    except RefusedError as error:
        ended = cleared(connection.scope.get("root_path", "")).to_header(header="")
        raise SessionEndedError(error.reason, error.detail, headers={"Set-Cookie": ended}) from None


async def within_panel(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """A guard of every route: a panel token opens those of the panel alone, to pages that it is for.

    Raises NotAllowedError.
    """
    # async though it awaits nothing: Litestar calls a plain function in a thread
    caller: Principal | None = connection.scope.get("user")
    if caller is None:
        return
    if caller.sees_a_panel_only and PANEL.keys().isdisjoint(handler.opt):
        raise NotAllowedError(f"this caller may not do this: {caller.note}")
    origin = connection.headers.get("origin")
    stranger = caller.origins and origin is not None and origin not in caller.origins
    if stranger and not from_own_page(connection.headers):
        raise NotAllowedError("this token is for pages of other origins")


def requires(scope: Scope) -> Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], Awaitable[None]]:
    """A guard that lets only callers with this scope pass."""

    # async though it awaits nothing: Litestar calls a plain function in a thread
    async def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        principal: Principal = connection.user
        if scope not in principal.scopes:
            granted = ", ".join(sorted(principal.scopes)) or "none"
            note = "" if principal.note is None else f": {principal.note}"
            raise NotAllowedError(f"this needs the scope {scope}; the caller has {granted}{note}")
        if scope is Scope.ADMIN and connection.scope.get("method") not in SAFE:
            act_as(_actor(principal, connection))

    return guard


def _actor(principal: Principal, connection: ASGIConnection[Any, Any, Any, Any]) -> Actor:
    by_key = How.TOKEN if principal.key_id is None else How.KEY
    how = by_key if credential_in(connection.headers.get("authorization", "")) else How.SESSION
    return Actor(subject=principal.subject, client_id=principal.client, how=how, key_id=principal.key_id)
