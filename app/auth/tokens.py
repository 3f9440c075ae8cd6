"""Tokens: JSON Web Tokens (RFC 7519) of ours, and of an identity provider, become principals."""

import hashlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, Self

import jwt
from cachetools import TLRUCache

from app.auth.claims import TokenRules, bearer_of
from app.auth.principals import DEFAULT_CLIENT, Principal, Role
from app.errors import NotAuthenticatedError
from app.settings import Settings

SHARED_SECRET = "HS256"  # noqa: S105 - the name of an algorithm
PUBLIC_KEY = ("RS256", "ES256")
LEEWAY_SECONDS = 10
"""How far the clocks of token issuers may differ from ours."""
VERIFIED_SECONDS = 5
"""How long a verified token is not verified again: that takes longer than the rest of a small request."""
MOST_VERIFIED = 10_000


class PublicKeys(Protocol):
    """The keys of an identity provider."""

    async def key(self, key_id: str) -> jwt.PyJWK:
        """The key of this id. Raises NotAuthenticatedError and KeyServerUnavailableError."""


class Tokens:
    """Issues JSON Web Tokens (RFC 7519), and checks ours and those of an identity provider."""

    def __init__(
        self,
        secret: str,
        rules: TokenRules | None = None,
        keys: PublicKeys | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._secret = secret
        self._rules = rules or TokenRules()
        self._keys = keys
        self._verified: TLRUCache[bytes, Principal] = TLRUCache(MOST_VERIFIED, _verified_until, clock)

    @classmethod
    def of(cls, settings: Settings, keys: PublicKeys | None = None) -> Self:
        """Those of a deployment."""
        return cls(settings.signing_secret, TokenRules.of(settings), keys)

    def issue(self, subject: str, role: Role, lifetime: timedelta, client: str = DEFAULT_CLIENT) -> str:
        """A token for `subject`, of one client, signed with our secret and valid for `lifetime`."""
        now = datetime.now(UTC)
        rules = self._rules
        claims = {"sub": subject, "iat": now, "exp": now + lifetime}
        claims |= {rules.user_claim: subject, rules.role_claim: role.value, rules.client_claim: client}
        asked = {"iss": rules.issuer, "aud": rules.audience}
        claims |= {name: value for name, value in asked.items() if value is not None}
        return jwt.encode(claims, self._secret, SHARED_SECRET)

    async def principal(self, token: str) -> Principal:
        """The principal of `token`. Raises NotAuthenticatedError, and KeyServerUnavailableError."""
        digest = hashlib.sha256(token.encode()).digest()
        if (verified := self._verified.get(digest)) is not None:
            return verified
        try:
            claims = await self._claims(token)
            principal = replace(Principal.bearing(bearer_of(claims, self._rules)), expires=int(claims["exp"]))
        except jwt.ExpiredSignatureError:
            raise NotAuthenticatedError("the token has expired; ask for a new one") from None
        except (jwt.InvalidIssuerError, jwt.InvalidAudienceError):
            raise NotAuthenticatedError("the token is from another issuer, or for another audience") from None
        # whatever else is wrong; the cause is dropped, since it may quote the token
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            raise NotAuthenticatedError("the token is not valid here") from None
        self._verified[digest] = principal
        return principal

    async def _claims(self, token: str) -> dict[str, Any]:
        """The claims of a valid token. Its `alg` chooses who checks it; each checker accepts only one algorithm."""
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


def _verified_until(_: bytes, principal: Principal, now: float) -> float:
    assert principal.expires is not None  # noqa: S101 - every token has an end
    return min(now + VERIFIED_SECONDS, principal.expires + LEEWAY_SECONDS)


@asynccontextmanager
async def open_tokens(settings: Settings) -> AsyncIterator[Tokens]:
    """The tokens of a deployment, with the keys of its identity provider where it has one."""
    if settings.jwks_url is None:
        yield Tokens.of(settings)
        return
    # imported here: its HTTP client adds a tenth of a second to every start, and few deployments need it
    from app.auth.jwks import open_key_set  # noqa: PLC0415

    async with open_key_set(settings.jwks_url) as keys:
        yield Tokens.of(settings, keys)
