"""Who asks the gateway, and what the key lets it ask for."""

from collections.abc import Iterable
from urllib.parse import parse_qs

from app.auth.principals import Principal
from app.gateway.formats.base import GatewayError
from models.key_policy import KeyPolicy

_HEADERS = (b"x-api-key", b"x-goog-api-key")


def credential_of(raw: Iterable[tuple[bytes, bytes]], query: bytes) -> str | None:
    """The credential of a request, wherever its API has it; None where there is none.

    Raises GatewayError: 401 where two are there that differ, since nobody could tell which of them is meant.
    """
    found = {value.decode("latin-1").strip() for name, value in raw if name in _HEADERS}
    for name, value in raw:
        if name == b"authorization":
            scheme, _, text = value.decode("latin-1").partition(" ")
            if scheme.lower() == "bearer":
                found.add(text.strip())
    if b"key=" in query:
        found.update(parse_qs(query.decode("latin-1")).get("key", ()))
    found.discard("")
    if len(found) > 1:
        raise GatewayError(401, "conflicting_credentials", "the request has two different keys; send one of them")
    return next(iter(found), None)


def policy_of(caller: Principal) -> KeyPolicy:
    """What this caller's key allows; an administrator's token has none, and may use every model."""
    return caller.policy or KeyPolicy()
