"""Who asks the gateway, and whether this caller may ask now; and what is asked, within bounds."""

from collections.abc import Iterable
from typing import Any

from litestar.datastructures import State
from litestar.types import Receive, Scope

from app.auth import principals
from app.auth.attempts import RefusedCredentials
from app.auth.middleware import API_KEY_PREFIX, known_principal, principal_of
from app.auth.principals import Principal
from app.auth.refused import Reason, RefusedError
from app.errors import BodyTooLargeError, NotAllowedError, UnsupportedMediaTypeError
from app.gateway.access import credential_of
from app.http.bodies import Claim
from app.http.middleware import admit, in_time

_JWT_BEGINS = "eyJ"
"""Of every JSON Web Token: base64 of `{"`."""


async def caller_of(scope: Scope, state: State) -> Principal:
    """Who asks, admitted. Raises GatewayError, NotAuthenticatedError, NotAllowedError, TooManyRequestsError, and 503s
    where a key cannot be looked up now.
    """
    credential = credential_of(scope["headers"], scope.get("query_string", b""))
    caller = known_principal(credential, state) if credential else None
    if caller is None:
        try:
            caller = await _looked_up(credential, state)
        except RefusedError as error:
            refused: RefusedCredentials = state.refused_credentials
            client = scope.get("client")
            raise refused.answer(error, client[0] if client else None) from None
    if principals.Scope.GATEWAY not in caller.scopes:
        raise NotAllowedError("this key may not call models: it needs the scope gateway")
    admit(caller, state)
    return caller


async def _looked_up(credential: str | None, state: State) -> Principal:
    if not credential:
        raise RefusedError(Reason.MISSING, "send an API key of this gateway: Authorization: Bearer KEY, or x-api-key")
    if not credential.startswith((API_KEY_PREFIX, _JWT_BEGINS)):
        message = f"keys of this gateway begin with {API_KEY_PREFIX}: this is none, and a provider's own is not taken"
        raise RefusedError(Reason.API_KEY, message)
    return await principal_of(credential, state)


def size_of(raw: Iterable[tuple[bytes, bytes]], most: int) -> int:
    """The bytes that a body will take, as its sender says; 0 where it says nothing: they are counted as they come.

    Raises BodyTooLargeError, and UnsupportedMediaTypeError for one that is compressed.
    """
    size = 0
    for name, value in raw:
        if name == b"content-length" and value.isdigit():
            if len(value) > 18 or int(value) > most:  # noqa: PLR2004 - digits that any count has
                raise too_large(most)
            size = int(value)
        elif name == b"content-encoding" and value.strip().lower() not in {b"", b"identity"}:
            raise UnsupportedMediaTypeError("send the body as it is, not compressed")
    return size


async def body_of(receive: Receive, most: int, claim: Claim) -> bytes | None:
    """The whole body; None where its sender left meanwhile. Raises BodyTooLargeError, RequestTimeoutError, and
    TooManyRequestsError where `claim` cannot have more.
    """
    receive = in_time(receive)
    parts: list[bytes] = []
    size = 0
    while True:
        message: Any = await receive()
        if message["type"] == "http.disconnect":
            return None
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > most:
            raise too_large(most)
        claim.holds(size)
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def too_large(most: int) -> BodyTooLargeError:
    """The error for a body of more than so many bytes."""
    return BodyTooLargeError(f"the body may have at most {most:,} bytes (TWINMETER_GATEWAY_MAX_BODY_BYTES)")
