"""Who is asking: a token or an API key becomes a principal, and guards say what its scopes let it do."""

import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any, Protocol, Self

import jwt
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.handlers.base import BaseRouteHandler
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult

from app.claims import Bearer, TokenRules, bearer_of
from app.errors import NotAllowedError, NotAuthenticatedError, SessionEndedError
from app.expiring import ExpiringCache
from app.settings import Settings
from app.web.origin import check_own_page
from app.web.sessions import COOKIE

SHARED_SECRET = "HS256"  # noqa: S105 - the name of an algorithm
PUBLIC_KEY = ("RS256", "ES256")
LEEWAY_SECONDS = 10
"""How far the clocks of those who sign tokens may differ from ours."""
VERIFIED_SECONDS = 5
"""How long a token that was verified is not verified again: it takes longer than all else that a small request does."""
MOST_VERIFIED = 10_000
Recheck = Callable[[], Awaitable["Principal"]]
"""Who the caller of a request is by now. Raises NotAuthenticatedError, and others where that cannot be told."""
DEFAULT_CLIENT = "default"
"""The client of calls and tokens that name none."""
API_KEY_PREFIX = "tm_"
PUBLIC = {"exclude_from_auth": True}
"""`opt` of a route that anyone may call."""


class Scope(StrEnum):
    """What a caller may do, for its own client."""

    INGEST = "ingest"
    """Report calls."""
    READ = "read"
    """Read figures."""
    ADMIN = "admin"
    """Read everything, and set prices and keys."""


class Role(StrEnum):
    """What a token says that its bearer is."""

    ADMIN = "admin"
    """Runs the deployment: everything, of every client."""
    SERVICE = "service"
    """An application: reports and reads the calls of one client, for any of its users."""
    USER = "user"
    """A person: reports its own calls and sees itself. Also whoever has no role that we know."""


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller of a request. What it may reach follows from this alone."""

    subject: str
    """Who it is, for the record: the user of a token, or `key:` and the id of an API key."""
    scopes: frozenset[Scope]
    client: str | None
    """The only client that it reports for and sees; None for every client."""
    user: str | None
    """The only user that it reports for and sees; None for every user of the client."""
    expires: float | None = field(default=None, compare=False)
    """When its credential ends (Unix seconds), as far as that is known now; None for never."""

    @classmethod
    def bearing(cls, bearer: Bearer) -> Self:
        """Who bears a token. Without a known role it is a user: the least that there is."""
        client = bearer.client or DEFAULT_CLIENT
        if bearer.role == Role.ADMIN:
            return cls(bearer.subject, frozenset(Scope), None, None)
        user = None if bearer.role == Role.SERVICE else bearer.subject
        return cls(bearer.subject, frozenset({Scope.INGEST, Scope.READ}), client, user)


class PublicKeys(Protocol):
    """The keys of an identity provider."""

    async def key(self, key_id: str) -> jwt.PyJWK:
        """The key of this id. Raises NotAuthenticatedError and KeyServerUnavailableError."""


class Tokens:
    """Makes JSON Web Tokens (RFC 7519), and checks ours and those of an identity provider."""

    def __init__(self, secret: str, rules: TokenRules | None = None, keys: PublicKeys | None = None) -> None:
        self._secret = secret
        self._rules = rules or TokenRules()
        self._keys = keys
        self._verified: ExpiringCache[bytes, Principal] = ExpiringCache(MOST_VERIFIED)

    @classmethod
    def of(cls, settings: Settings, keys: PublicKeys | None = None) -> Self:
        """Those of a deployment."""
        return cls(settings.signing_secret, TokenRules.of(settings), keys)

    def issue(self, subject: str, role: Role, lifetime: timedelta, client: str = DEFAULT_CLIENT) -> str:
        """A token for `subject`, of one client, signed with our secret. `lifetime` is how long it holds."""
        now = datetime.now(UTC)
        rules = self._rules
        claims = {"sub": subject, "iat": now, "exp": now + lifetime}
        claims |= {rules.user_claim: subject, rules.role_claim: role.value, rules.client_claim: client}
        asked = {"iss": rules.issuer, "aud": rules.audience}
        claims |= {name: value for name, value in asked.items() if value is not None}
        return jwt.encode(claims, self._secret, SHARED_SECRET)

    async def principal(self, token: str) -> Principal:
        """Who `token` stands for. Raises NotAuthenticatedError, and KeyServerUnavailableError."""
        digest = hashlib.sha256(token.encode()).digest()
        if (verified := self._verified.get(digest)) is not None:
            return verified
        try:
            claims = await self._claims(token)
            ends = int(claims["exp"])
            principal = replace(Principal.bearing(bearer_of(claims, self._rules)), expires=ends)
        except jwt.ExpiredSignatureError:
            raise NotAuthenticatedError("the token has expired; ask for a new one") from None
        except (jwt.InvalidIssuerError, jwt.InvalidAudienceError):
            raise NotAuthenticatedError("the token is of another issuer, or for another audience") from None
        # whatever else a token may be; no cause is kept, since it may quote the token
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            raise NotAuthenticatedError("the token is not valid here") from None
        self._verified.put(digest, principal, min(time.time() + VERIFIED_SECONDS, ends + LEEWAY_SECONDS))
        return principal

    async def _claims(self, token: str) -> dict[str, Any]:
        """The claims of a token that holds. Its `alg` chooses who checks it; each checker takes one algorithm alone."""
        header = jwt.get_unverified_header(token)
        algorithm = header.get("alg")
        if algorithm == SHARED_SECRET:
            return self._decoded(token, self._secret, SHARED_SECRET)
        if self._keys is None or algorithm not in PUBLIC_KEY or "kid" not in header:
            raise jwt.InvalidAlgorithmError
        key = await self._keys.key(header["kid"])
        return self._decoded(token, key, key.algorithm_name)

    def _decoded(self, token: str, key: str | jwt.PyJWK, algorithm: str) -> dict[str, Any]:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            [algorithm],
            options={"require": ["exp"]},
            issuer=self._rules.issuer,
            audience=self._rules.audience,
            leeway=LEEWAY_SECONDS,
        )
        return claims


@asynccontextmanager
async def open_tokens(settings: Settings) -> AsyncIterator[Tokens]:
    """The tokens of a deployment, with the keys of its identity provider where it has one."""
    if settings.jwks_url is None:
        yield Tokens.of(settings)
        return
    # only here: its HTTP client is a tenth of a second of every start, and few deployments need it
    from app.jwks import open_key_set  # noqa: PLC0415

    async with open_key_set(settings.jwks_url) as keys:
        yield Tokens.of(settings, keys)


async def principal_of(credential: str, state: State) -> Principal:
    """Who bears a token or an API key. Raises NotAuthenticatedError, and 503s where that cannot be told now."""
    checker = state.api_keys if credential.startswith(API_KEY_PREFIX) else state.tokens
    principal: Principal = await checker.principal(credential)
    return principal


class AuthenticationMiddleware(AbstractAuthenticationMiddleware):
    """Refuses every request without a valid token, API key or session, but for routes that say they are public."""

    async def authenticate_request(self, connection: ASGIConnection[Any, Any, Any, Any]) -> AuthenticationResult:
        scheme, _, text = connection.headers.get("authorization", "").partition(" ")
        bears = scheme.lower() == "bearer"
        if bears and text.strip():
            asked = partial(principal_of, text.strip(), connection.app.state)
        # another scheme is for a proxy in front, whose password browsers send along
        elif not bears and (cookie := connection.cookies.get(COOKIE)) is not None:
            asked = partial(_of_session, cookie, connection)
        else:
            raise NotAuthenticatedError("send a token or an API key: Authorization: Bearer TOKEN")
        # the text itself goes no further: nothing behind this needs it, and nothing can write it down; an answer that
        # goes on for hours only asks again
        return AuthenticationResult(user=await asked(), auth=asked)


async def _of_session(cookie: str, connection: ASGIConnection[Any, Any, Any, Any]) -> Principal:
    """Who signed in, checked like any bearer: a key that was revoked ends its sessions as soon as it is refused."""
    check_own_page(connection)
    state = connection.app.state
    try:
        return await principal_of(state.sessions.opened(cookie), state)
    except NotAuthenticatedError as error:
        raise SessionEndedError(error.detail) from None


def requires(scope: Scope) -> Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], Awaitable[None]]:
    """A guard that lets only callers with this scope pass."""

    # async though it awaits nothing: Litestar calls a plain function in a thread
    async def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        principal: Principal = connection.user
        if scope not in principal.scopes:
            granted = ", ".join(sorted(principal.scopes)) or "none"
            raise NotAllowedError(f"this needs the scope {scope}; the caller has {granted}")

    return guard
