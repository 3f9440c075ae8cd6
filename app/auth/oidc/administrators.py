"""Who of those that an identity provider knows is an administrator here."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from app.auth.claims import checked_client, checked_name, claim
from app.auth.refused import Reason, RefusedError
from app.settings import Settings

EMAIL, VERIFIED, SUBJECT = "email", "email_verified", "sub"
WAY_OUT = "ask whoever runs this deployment"


class Administrator(NamedTuple):
    """One who may see the pages."""

    subject: str
    client: str | None
    """The one client of which; None for all."""


class Administrators(NamedTuple):
    """Which claims say it."""

    admin_claim: str
    values: frozenset[str]
    user_claim: str = EMAIL
    client_claim: str | None = None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Those of a deployment that has an identity provider."""
        values = frozenset(settings.oidc_admin_values)
        return cls(settings.oidc_admin_claim or "", values, settings.oidc_user_claim, settings.oidc_client_claim)

    def admitted(self, claims: Mapping[str, Any]) -> Administrator:
        """Who it is, by verified claims. Raises RefusedError for everyone but administrators."""
        subject = self._subject(claims)
        if self.admin_claim == EMAIL and claims.get(VERIFIED) is not True:
            message = f"the identity provider does not say that your e-mail address is verified; {WAY_OUT}"
            raise RefusedError(Reason.NOT_ADMINISTRATOR, message)
        if self.values.isdisjoint(_texts(claim(claims, self.admin_claim))):
            raise RefusedError(Reason.NOT_ADMINISTRATOR, f"you are not an administrator here; {WAY_OUT}")
        return Administrator(subject, self._client(claims))

    def _subject(self, claims: Mapping[str, Any]) -> str:
        named = claim(claims, self.user_claim)
        if self.user_claim == EMAIL and claims.get(VERIFIED) is not True:
            named = None
        try:
            return checked_name(named if named is not None else claims[SUBJECT])
        except ValueError:
            message = f"the ID token's claim {self.user_claim} cannot name a user; {WAY_OUT}"
            raise RefusedError(Reason.CLAIMS, message) from None

    def _client(self, claims: Mapping[str, Any]) -> str | None:
        """Where a claim names it, nobody is an administrator of all clients for want of that."""
        if self.client_claim is None:
            return None
        try:
            return checked_client(claim(claims, self.client_claim))
        except ValueError:
            message = f"the identity provider does not say of which client you are an administrator; {WAY_OUT}"
            raise RefusedError(Reason.NOT_ADMINISTRATOR, message) from None


def _texts(said: Any) -> list[str]:
    """The values of a claim: one, or a list; `true` and numbers as JSON has them."""
    values = said if isinstance(said, list) else [said]
    return [str(value).lower() if isinstance(value, bool) else str(value) for value in values if value is not None]
