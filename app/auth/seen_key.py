"""A key as it is stored, and as a request is checked by it."""

from typing import Any

from pydantic import ValidationError

from app.auth.principals import Principal, Scope
from app.observability.logs import Log
from models import ApiKey

log = Log(__name__)


class SeenKey:
    """A document of the keys' collection would take a microsecond for each attribute."""

    __slots__ = ("expires_at", "hash", "key_id", "last_used_at", "principal", "revoked_at")

    def __init__(self, key: ApiKey) -> None:
        self.key_id, self.hash = key.key_id, key.hash
        self.revoked_at = key.revoked_at
        self.expires_at = key.expires_at
        self.last_used_at = key.last_used_at
        # a scope that this version does not know grants nothing
        granted = frozenset(scope for scope in Scope if scope in key.scopes)
        expires = None if key.expires_at is None else key.expires_at.timestamp()
        self.principal = Principal(
            f"key:{key.key_id}", granted, key.client_id, None, expires, key_id=key.key_id, policy=key.policy
        )


def read(stored: dict[str, Any]) -> ApiKey | None:
    """A stored key. One that was broken by manual edits is ignored: it grants nothing, and does not affect others."""
    try:
        key: ApiKey = ApiKey.model_validate(stored)
    except ValidationError:
        log.exception("api_key.unreadable", key=stored.get("keyId"))
        return None
    return key
