"""What a caller may name: reads are narrowed to its own data, and calls are reported only for its own users."""

from collections.abc import Mapping
from typing import Any

from app.auth.principals import Principal
from app.errors import NotAllowedError, invalid
from models.rollups import EVERYONE

USER_HEADER = "x-user-id"
_STORED_NAMES = {"client_id": "clientId", "user_id": "userId"}
"""Fields of a call: their names in Python, and over HTTP."""


def visible_client(principal: Principal, asked: str | None) -> str | None:
    """The client whose figures the caller sees; None for every client. Raises NotAllowedError for another's."""
    if asked == EVERYONE:
        message = f"must not be {EVERYONE}; leave it out for all clients"
        raise invalid("clientId", message)
    return _own("clientId", principal.client, asked)


def visible_user(principal: Principal, asked: str | None) -> str | None:
    """The user whose figures the caller sees; None for every user. Raises NotAllowedError for another's."""
    return _own("userId", principal.user, asked)


def own_client(principal: Principal, asked: str | None) -> str | None:
    """The client that the caller acts for; None for every client. Raises NotAllowedError, also for a user."""
    if principal.user is not None:
        raise NotAllowedError("this covers a whole client; the caller is one of its users")
    return visible_client(principal, asked)


def _own(field: str, own: str | None, asked: str | None) -> str | None:
    if own is None:
        return asked
    if asked is not None and asked != own:
        raise NotAllowedError(f"this caller is limited to {own}; leave {field} out")
    return own


def owned(principal: Principal, fields: Mapping[str, Any], header_user: str | None) -> dict[str, Any]:
    """A reported call's JSON fields with `clientId` and `userId` settled. `header_user` is what `x-user-id` says.

    Raises InvalidRequestError where they name a client or user that is not the caller's, or two users.
    """
    for name, stored in _STORED_NAMES.items():
        if name in fields:
            message = f"is an unknown field; use {stored}"
            raise invalid(name, message)
    user = fields.get("userId")
    if header_user is not None and user is not None and user != header_user:
        message = f"is not the user that {USER_HEADER} names; leave one of them out"
        raise invalid("userId", message)
    return {
        **fields,
        **_settled("clientId", principal.client, fields.get("clientId")),
        **_settled("userId", principal.user, header_user if user is None else user),
    }


def _settled(field: str, own: str | None, said: Any) -> dict[str, Any]:
    if own is None:
        return {} if said is None else {field: said}
    if said is not None and said != own:
        # without the name of the own one: refusals are counted by their texts, which outlive a user
        message = f"is not the caller's own; leave {field} out"
        raise invalid(field, message)
    return {field: own}
