"""Who is asking: a signed token becomes a principal, and guards say what its role may do."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import jwt
from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult

from app.errors import NotAllowedError, NotAuthenticatedError

ALGORITHM = "HS256"
DEFAULT_CLIENT = "default"
"""The client of calls and tokens that name none."""
PUBLIC = {"exclude_from_auth": True}
"""`opt` of a route that anyone may call."""


class Role(StrEnum):
    """What a caller is."""

    ADMIN = "admin"
    """Reads every report; may also report calls."""
    SERVICE = "service"
    """An application: reports calls for any user."""
    USER = "user"
    """A person: sees itself."""


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller of a request."""

    subject: str
    role: Role
    client: str = DEFAULT_CLIENT
    """Whose calls a service reads."""


class Tokens:
    """Makes and checks JSON Web Tokens (RFC 7519) signed with HS256."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def issue(self, subject: str, role: Role, lifetime: timedelta, client: str = DEFAULT_CLIENT) -> str:
        """A token for `subject`, of one client. `lifetime` is how long it holds."""
        now = datetime.now(UTC)
        claims = {"sub": subject, "role": role.value, "client": client, "iat": now, "exp": now + lifetime}
        return jwt.encode(claims, self._secret, ALGORITHM)

    def principal(self, token: str) -> Principal:
        """Who `token` stands for. Raises NotAuthenticatedError."""
        try:
            claims = jwt.decode(token, self._secret, [ALGORITHM], options={"require": ["exp", "sub"]})
            return Principal(claims["sub"], Role(claims["role"]), str(claims.get("client", DEFAULT_CLIENT)))
        except jwt.ExpiredSignatureError as error:
            raise NotAuthenticatedError("the token has expired; ask for a new one") from error
        except (jwt.InvalidTokenError, KeyError, ValueError) as error:
            raise NotAuthenticatedError("the token is not valid here") from error


class AuthenticationMiddleware(AbstractAuthenticationMiddleware):
    """Refuses every request without a valid Bearer token, but for routes that say they are public."""

    async def authenticate_request(self, connection: ASGIConnection[Any, Any, Any, Any]) -> AuthenticationResult:
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise NotAuthenticatedError("send a token: Authorization: Bearer TOKEN")
        tokens: Tokens = connection.app.state.tokens
        return AuthenticationResult(user=tokens.principal(token.strip()), auth=token)


def requires(*roles: Role) -> Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], None]:
    """A guard that lets only `roles` pass."""

    def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        principal: Principal = connection.user
        if principal.role not in roles:
            needed = " or ".join(role.value for role in roles)
            raise NotAllowedError(f"this needs the role {needed}; the token has the role {principal.role.value}")

    return guard
