"""Why a credential is refused. What is said of a token quotes nothing of it but the name of a known algorithm."""

from collections.abc import Mapping
from enum import StrEnum

from app.errors import NotAuthenticatedError


class Reason(StrEnum):
    """A kind of refusal; a label of the counters."""

    MISSING = "missing"
    """Nothing was sent."""
    MALFORMED = "malformed"
    """It is not a credential."""
    ALGORITHM = "algorithm"
    """A token with an algorithm that is not accepted, or not with this key."""
    KEY = "key"
    """A token of a key that the identity provider does not have."""
    SIGNATURE = "signature"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    ISSUER = "issuer"
    AUDIENCE = "audience"
    PARTY = "authorized_party"
    CLAIMS = "claims"
    """A claim that is missing or cannot be used."""
    API_KEY = "api_key"
    """No such API key."""
    REVOKED = "revoked"
    SIGN_IN = "sign_in"
    """Somebody came back from the identity provider without having left from here, too late, or twice."""
    NONCE = "nonce"
    """An ID token of another sign-in."""
    PROVIDER = "identity_provider"
    """The identity provider let nobody in."""
    NOT_ADMINISTRATOR = "not_administrator"
    SESSION = "session"
    """A cookie that is not a session of ours, or no longer one."""


GUESSES = frozenset({Reason.MALFORMED, Reason.ALGORITHM, Reason.KEY, Reason.SIGNATURE, Reason.API_KEY})
"""Reasons for which nothing shows that the sender ever had a credential of this deployment."""


class RefusedError(NotAuthenticatedError):
    """A credential that does not hold."""

    def __init__(self, reason: Reason, detail: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail, headers=headers)
        self.reason = reason


class SessionEndedError(RefusedError):
    """A session that is not valid, or no longer. The response ends it in the browser too."""
