"""Tokens: JSON Web Tokens (RFC 7519) of ours, and of an identity provider, become principals."""

import hashlib
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, Self

import jwt
from cachetools import LRUCache, TLRUCache

from app.auth.claims import ONLY_CLIENT_CLAIM, ORIGINS_CLAIM, TokenRules, bearer_of, check_recipient
from app.auth.principals import Principal, Role
from app.auth.refused import Reason, RefusedError
from app.observability.logs import Log
from app.settings import Settings
from models.call import DEFAULT_CLIENT

SHARED_SECRET = "HS256"  # noqa: S105 - the name of an algorithm
PUBLIC_KEY = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"},
)
"""What a provider's keys may be for. Which one a key is for follows from the key."""
LEEWAY_SECONDS = 10
"""How far the clocks of token issuers may differ from ours."""
VERIFIED_SECONDS = 5
"""How long a verified token is not verified again: that takes longer than the rest of a small request."""
MOST_VERIFIED = 10_000
MOST_NOTES = 1_000
"""Notes on roles that are in the log already."""

_REASONS: tuple[tuple[type[Exception], Reason, str], ...] = (
    (jwt.ExpiredSignatureError, Reason.EXPIRED, "the token has expired; ask for a new one"),
    (
        jwt.ImmatureSignatureError,
        Reason.NOT_YET_VALID,
        f"the token is not valid yet (nbf, iat); clocks may differ by {LEEWAY_SECONDS} seconds",
    ),
    (jwt.InvalidSignatureError, Reason.SIGNATURE, "the token's signature is not that of the key it should be of"),
)
"""The others are in `_refusal`."""

log = Log(__name__)


class PublicKeys(Protocol):
    """The keys of an identity provider."""

    async def key(self, key_id: str | None, algorithm: str) -> jwt.PyJWK:
        """The key of this id for this algorithm; without an id, the only one. Raises RefusedError and
        KeyServerUnavailableError.
        """


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
        self._noted: LRUCache[str, None] = LRUCache(MOST_NOTES)

    @classmethod
    def of(cls, settings: Settings, keys: PublicKeys | None = None) -> Self:
        """Those of a deployment."""
        return cls(settings.signing_secret, TokenRules.of(settings), keys)

    def issue(
        self,
        subject: str,
        role: Role,
        lifetime: timedelta,
        client: str = DEFAULT_CLIENT,
        origins: Collection[str] = (),
        *,
        only_client: str | None = None,
    ) -> str:
        """A token for `subject`, of one client, signed with our secret and valid for `lifetime`; of use to pages of
        these `origins` alone, where any are named. An administrator's is of `only_client`, where that is named.
        """
        now = datetime.now(UTC)
        rules = self._rules
        claims = {"sub": subject, "iat": now, "exp": now + lifetime}
        claims |= {rules.user_claim: subject, rules.role_claim: role.value, rules.client_claim: client}
        asked = {"iss": rules.issuer, "aud": next(iter(rules.audiences), None)}
        claims |= {name: value for name, value in asked.items() if value is not None}
        claims |= {ORIGINS_CLAIM: list(origins)} if origins else {}
        claims |= {} if only_client is None else {ONLY_CLIENT_CLAIM: only_client}
        return jwt.encode(claims, self._secret, SHARED_SECRET)

    async def principal(self, token: str) -> Principal:
        """The principal of `token`. Raises RefusedError, and KeyServerUnavailableError."""
        if (verified := self.known(token)) is not None:
            return verified
        try:
            principal = await self._principal(token)
        # whatever is wrong; the cause is dropped, since it may quote the token
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise self._refusal(error) from None
        self._verified[_digest(token)] = principal
        return principal

    def known(self, token: str) -> Principal | None:
        """The principal of a token that was verified a moment ago; None for others."""
        return self._verified.get(_digest(token))

    async def _principal(self, token: str) -> Principal:
        """Its `alg` chooses who checks a token; each checker accepts only one algorithm."""
        header = jwt.get_unverified_header(token)
        algorithm = header.get("alg")
        ours = algorithm == SHARED_SECRET
        if ours:
            claims = self._decoded(token, self._secret, SHARED_SECRET)
        elif self._keys is not None and isinstance(algorithm, str) and algorithm in PUBLIC_KEY:
            key = await self._keys.key(header.get("kid"), algorithm)
            claims = self._decoded(token, key, key.algorithm_name)
        else:
            raise RefusedError(Reason.ALGORITHM, self._on_algorithms(algorithm))
        check_recipient(claims, self._rules, ours=ours)
        bearer = bearer_of(claims, self._rules, ours=ours)
        self._note(bearer.note)
        return Principal.bearing(bearer, int(claims["exp"]))

    def _decoded(self, token: str, key: str | jwt.PyJWK, algorithm: str) -> dict[str, Any]:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            [algorithm],
            # for whom it is, and who, `claims` decides: its rules are wider
            options={"require": ["exp"], "verify_aud": False, "verify_sub": False},
            issuer=self._rules.issuer,
            leeway=LEEWAY_SECONDS,
        )
        return claims

    def _on_algorithms(self, algorithm: Any) -> str:
        known = isinstance(algorithm, str) and algorithm in jwt.algorithms.get_default_algorithms()
        name = f"algorithm {algorithm}" if known else "its algorithm"
        if self._keys is not None:
            return (
                f"{name} is not accepted: {SHARED_SECRET} is for our own secret, others for the provider's public keys"
            )
        if known and algorithm in PUBLIC_KEY:
            return f"{name} is not accepted: no identity provider is set (TWINMETER_JWKS_URL)"
        return f"{name} is not accepted: tokens are signed with our own secret, and {SHARED_SECRET}"

    def _refusal(self, error: Exception) -> RefusedError:
        for kind, reason, detail in _REASONS:
            if isinstance(error, kind):
                return RefusedError(reason, detail)
        missing = error.claim if isinstance(error, jwt.MissingRequiredClaimError) else None
        if isinstance(error, jwt.InvalidIssuerError) or missing == "iss":
            return RefusedError(Reason.ISSUER, f"the token is from another issuer; expected iss {self._rules.issuer}")
        if missing is not None:
            return RefusedError(Reason.CLAIMS, f"the token has no claim {missing}")
        return RefusedError(
            Reason.MALFORMED, "this is not a JSON Web Token, or one with a header or claim that is wrong"
        )

    def _note(self, note: str | None) -> None:
        """In the log, each once as long as it is remembered: that a role is not known must not go unnoticed."""
        if note is not None and note not in self._noted:
            self._noted[note] = None
            log.info("token.role_unknown", note=note)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


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
