"""What a token says about its bearer, under the names that an identity provider uses."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from pydantic import TypeAdapter, ValidationError

from app.settings import Settings
from models.fields import Name
from models.rollups import EVERYONE

_name: TypeAdapter[str] = TypeAdapter(Name)


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What every token must satisfy, and which claims hold what."""

    issuer: str | None = None
    """`iss` must be this one, where it is set."""
    audience: str | None = None
    """`aud` must contain this one, where it is set. Otherwise a token with any audience is not for us."""
    role_claim: str = "role"
    user_claim: str = "sub"
    client_claim: str = "client"

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Those of a deployment."""
        return cls(
            issuer=settings.jwt_issuer,
            audience=settings.jwt_audience,
            role_claim=settings.jwt_role_claim,
            user_claim=settings.jwt_user_claim,
            client_claim=settings.jwt_client_claim,
        )


class Bearer(NamedTuple):
    """What a token says."""

    subject: str
    role: str | None
    """Any text, or None where the claim is missing or no text."""
    client: str | None


def bearer_of(claims: Mapping[str, Any], rules: TokenRules) -> Bearer:
    """The principal that verified claims describe. Raises ValueError where a name is not valid."""
    role, client = claim(claims, rules.role_claim), claim(claims, rules.client_claim)
    return Bearer(
        subject=checked_name(claim(claims, rules.user_claim)),
        role=role if isinstance(role, str) else None,
        client=None if client is None else checked_client(client),
    )


def claim(claims: Mapping[str, Any], name: str) -> Any:
    """The claim of exactly this name, else the one at this dotted path; None where there is neither.

    The exact name comes first, because names in the form of an address (Auth0's) have dots of their own.
    """
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    return found


def checked_name(value: object) -> str:
    """`value`, where it can be the name of a user or a client. Raises ValueError."""
    try:
        return _name.validate_python(value, strict=True)
    except ValidationError as error:
        raise ValueError("a name has 1 to 256 characters, none of them a control character") from error


def checked_client(value: object) -> str:
    """`value`, where it can be the name of one client. Raises ValueError."""
    if (name := checked_name(value)) == EVERYONE:
        raise ValueError(f"{EVERYONE} stands for all clients and cannot be a client's name")
    return name
