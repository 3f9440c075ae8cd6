"""What an ID token must be before it says who somebody is (OpenID Connect Core 1.0, 3.1.3.7)."""

import time
from collections.abc import Mapping
from typing import Any

import jwt
from authlib.oidc.core import CodeIDToken
from joserfc.errors import ExpiredTokenError, InvalidClaimError, JoseError, MissingClaimError

from app.auth.jwks import KeySet
from app.auth.refused import Reason, RefusedError
from app.auth.tokens import LEEWAY_SECONDS, PUBLIC_KEY

AGAIN = "sign in again"
OF_CLAIMS = {
    "iss": (Reason.ISSUER, "the ID token is from another issuer"),
    "aud": (Reason.AUDIENCE, "the ID token is for another application"),
    "azp": (Reason.PARTY, "the ID token was issued to another application"),
    "nonce": (Reason.NONCE, "the ID token is of another sign-in"),
    "exp": (Reason.EXPIRED, "the ID token has expired"),
    "iat": (Reason.NOT_YET_VALID, "the ID token is of a time to come; do the clocks differ?"),
    "nbf": (Reason.NOT_YET_VALID, "the ID token is of a time to come; do the clocks differ?"),
    "at_hash": (Reason.CLAIMS, "the ID token does not belong to the access token beside it"),
}


async def checked(
    token: str, access_token: str | None, *, issuer: str, client_id: str, nonce: str, keys: KeySet
) -> Mapping[str, Any]:
    """The claims of an ID token that came beside this access token. Raises RefusedError, KeyServerUnavailableError."""
    try:
        header, payload = await _signed(token, keys)
    # the cause is dropped, since it may quote the token
    except jwt.InvalidSignatureError:
        raise RefusedError(Reason.SIGNATURE, f"the ID token is not signed by the identity provider; {AGAIN}") from None
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        raise RefusedError(Reason.MALFORMED, f"the identity provider's ID token cannot be read; {AGAIN}") from None
    claims = CodeIDToken(
        payload,
        header,
        options={
            "iss": {"essential": True, "value": issuer},
            "aud": {"essential": True, "value": client_id},
        },
        params={"nonce": nonce, "client_id": client_id, "access_token": access_token},
    )
    try:
        claims.validate(now=int(time.time()), leeway=LEEWAY_SECONDS)
    except ExpiredTokenError:
        raise _refused("exp") from None
    except (InvalidClaimError, MissingClaimError) as error:
        raise _refused(str(error.claim)) from None
    except (JoseError, ValueError, TypeError):
        raise RefusedError(Reason.CLAIMS, f"the ID token has a claim that cannot be used; {AGAIN}") from None
    return dict(claims)


async def _signed(token: str, keys: KeySet) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a token whose signature holds, by a public key and the one algorithm that this is for."""
    header = jwt.get_unverified_header(token)
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in PUBLIC_KEY:
        message = f"the ID token is not signed with a public key of the identity provider; {AGAIN}"
        raise RefusedError(Reason.ALGORITHM, message)
    key = await keys.key(header.get("kid"), algorithm)
    only_signature = {f"verify_{name}": False for name in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")}
    return header, jwt.decode(token, key, [key.algorithm_name], options=only_signature)  # type: ignore[arg-type]


def _refused(claim: str) -> RefusedError:
    reason, words = OF_CLAIMS.get(claim, (Reason.CLAIMS, f"the ID token has no valid claim {claim}"))
    return RefusedError(reason, f"{words}; {AGAIN}")
