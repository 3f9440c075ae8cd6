"""What a token says about its bearer, under the names that an identity provider uses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Self

from pydantic import TypeAdapter, ValidationError

from app.auth.principals import Bearer, Role
from app.auth.refused import Reason, RefusedError
from app.settings import Settings
from models.fields import Name
from models.rollups import EVERYONE

OUR_ROLES: Mapping[str, Role] = MappingProxyType({role.value: role for role in Role})
RANKED = (Role.ADMIN, Role.SERVICE, Role.USER, Role.PANEL)
"""Of several roles the first counts."""
MOST_QUOTED = 5
MAX_QUOTED = 64
ORIGINS_CLAIM = "origins"
"""Of a panel token of ours: the origins whose pages may use it."""
ONLY_CLIENT_CLAIM = "only_client"
"""Of an administrator's token of ours: the one client of which it is."""
PARTY_CLAIMS = ("azp", "client_id")
"""For whom a token was issued: OpenID's name, and OAuth's (RFC 9068), which Cognito uses."""

_name: TypeAdapter[str] = TypeAdapter(Name)


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What every token must satisfy, and which claims hold what."""

    issuer: str | None = None
    """`iss` must be this one, where it is set."""
    audiences: tuple[str, ...] = ()
    """`aud` must contain one of these, where any are set. Otherwise a token with any audience is not for us."""
    role_claim: str = "role"
    user_claim: str = "sub"
    client_claim: str = "client"
    parties: tuple[str, ...] = ()
    """`azp` of a provider's token must be one of these, where any are set; it then need not name an audience."""
    roles: Mapping[str, Role] = field(default_factory=lambda: OUR_ROLES)
    """Names of roles in a provider's tokens, and what they mean here."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Those of a deployment."""
        roles = {name: Role(role) for name, role in settings.jwt_roles.items()}
        return cls(
            issuer=settings.jwt_issuer,
            audiences=settings.jwt_audience,
            role_claim=settings.jwt_role_claim,
            user_claim=settings.jwt_user_claim,
            client_claim=settings.jwt_client_claim,
            parties=settings.jwt_authorized_parties,
            roles=roles or OUR_ROLES,
        )


def bearer_of(claims: Mapping[str, Any], rules: TokenRules, *, ours: bool) -> Bearer:
    """The bearer that verified claims describe. `ours` says that our own secret signed them: then our own names of
    roles count, too. Raises RefusedError where a name is not valid.
    """
    client = claim(claims, rules.client_claim)
    role, note = _role_in(claims, rules, {**rules.roles, **OUR_ROLES} if ours else rules.roles)
    return Bearer(
        subject=_named(claims, rules.user_claim, "user"),
        role=role,
        client=None if client is None else _named(claims, rules.client_claim, "client"),
        note=note,
        origins=tuple(claims.get(ORIGINS_CLAIM, ())) if ours else (),
        only_client=claims.get(ONLY_CLIENT_CLAIM) if ours else None,
    )


def check_recipient(claims: Mapping[str, Any], rules: TokenRules, *, ours: bool) -> None:
    """Whether verified claims are meant for this deployment. Raises RefusedError."""
    party = next((claims[name] for name in PARTY_CLAIMS if claims.get(name) is not None), None)
    parties = () if ours else rules.parties
    if parties and party is not None and party not in parties:
        raise RefusedError(Reason.PARTY, f"the token was issued to another party; {_expected('azp', parties)}")
    if audience := claims.get("aud"):
        _check_audience(audience, rules.audiences)
    elif rules.audiences and not (parties and party is not None):
        raise RefusedError(Reason.AUDIENCE, f"the token names no audience; {_expected('aud', rules.audiences)}")
    elif parties and party is None:
        raise RefusedError(Reason.PARTY, f"the token names no party; {_expected('azp', parties)}")


def _check_audience(said: Any, audiences: tuple[str, ...]) -> None:
    if not audiences:
        message = "the token is for another audience: it names one (aud), and TWINMETER_JWT_AUDIENCE is not set"
        raise RefusedError(Reason.AUDIENCE, message)
    named = [said] if isinstance(said, str) else said
    if not isinstance(named, list) or not all(isinstance(each, str) for each in named):
        raise RefusedError(Reason.AUDIENCE, "the token's audience (aud) is neither a text nor a list of texts")
    if not any(each in audiences for each in named):
        raise RefusedError(Reason.AUDIENCE, f"the token is for another audience; {_expected('aud', audiences)}")


def _expected(name: str, values: tuple[str, ...]) -> str:
    return f"expected {name} {values[0]}" if len(values) == 1 else f"expected {name} to be one of {', '.join(values)}"


def _role_in(claims: Mapping[str, Any], rules: TokenRules, known: Mapping[str, Role]) -> tuple[Role, str | None]:
    """The highest role that is known. Without any it is a user, which has the fewest rights, and why is told."""
    said = claim(claims, rules.role_claim)
    if said is None:
        return Role.USER, f"its token has no claim {rules.role_claim}, so it is a user's"
    names = [name for name in (said if isinstance(said, list) else [said]) if isinstance(name, str)]
    found = {known[name] for name in names if name in known}
    if found:
        return next(role for role in RANKED if role in found), None
    quoted = ", ".join(_quoted(name) for name in names[:MOST_QUOTED]) or "no text"
    more = f" and {len(names) - MOST_QUOTED} more" if len(names) > MOST_QUOTED else ""
    return Role.USER, f"its claim {rules.role_claim} has no role that is known here ({quoted}{more}); {_WAY_OUT}"


_WAY_OUT = "TWINMETER_JWT_ROLES says what a provider's roles mean"


def _quoted(name: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in name[:MAX_QUOTED])


def claim(claims: Mapping[str, Any], name: str) -> Any:
    """The claim of exactly this name, else the one at this dotted path; None where there is neither.

    The exact name comes first, because names in the form of an address (Auth0's, or those of Keycloak's clients) have
    dots of their own.
    """
    if name in claims:
        return claims[name]
    for place, letter in enumerate(name):
        inner = claims.get(name[:place]) if letter == "." else None
        if isinstance(inner, Mapping) and (found := claim(inner, name[place + 1 :])) is not None:
            return found
    return None


def _named(claims: Mapping[str, Any], name: str, whom: str) -> str:
    """The name of a user or a client in a claim. An integer is its digits, as some providers number their users."""
    value = claim(claims, name)
    if value is None:
        raise RefusedError(Reason.CLAIMS, f"the token has no claim {name}, which names the {whom}")
    try:
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        return checked_client(text) if whom == "client" else checked_name(text)
    except ValueError as error:
        raise RefusedError(Reason.CLAIMS, f"the token's claim {name} cannot name a {whom}: {error}") from None


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
