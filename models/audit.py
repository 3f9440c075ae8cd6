"""What was changed, by whom and how: one entry for each change, never changed afterwards."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from pymongo import ASCENDING, DESCENDING, IndexModel

from models.documents import Document
from models.limits import Id
from models.shape import Shape, stored_value, with_decimals

AUDIT = "audit_entries"

Fields = dict[str, Any]
"""By camelCase name, as answered."""


class How(StrEnum):
    """By which credential somebody asked for a change."""

    TOKEN = "token"  # noqa: S105 - it is the name of one
    KEY = "key"
    SESSION = "session"
    """On the pages, signed in."""
    COMMAND = "command"
    """An operator's, on the machine."""


class Actor(Shape):
    """Who changed something."""

    subject: str
    """As a token names its bearer; `key:` and the id of an API key; `command:` and the name of a command."""
    client_id: str | None = None
    """The only client that the actor administers; None for all."""
    how: How
    key_id: str | None = None


class Target(Shape):
    """What was changed."""

    kind: str
    """Such as `key`, `price`, `limit`."""
    id: str
    client_id: str | None = None
    """The only client that it is for; None where it reaches beyond."""
    name: str | None = None
    """What people call it."""


class AuditEntry(Shape):
    """One change."""

    id: Id
    at: datetime
    actor: Actor
    action: str
    """The kind of the target and what was done to it, such as `key.revoked`."""
    target: Target
    before: Fields | None = None
    """The fields that are others now; None where it was made. No secret is in it."""
    after: Fields | None = None
    """The same fields, as they are now; all of them where it was made."""

    def stored(self) -> Document:
        """With what is null: it may be what a field was changed to."""
        fields = {name: value for name in ("before", "after") if (value := getattr(self, name)) is not None}
        return super().stored() | {name: stored_value(value) for name, value in fields.items()}

    @classmethod
    def read(cls, stored: Document) -> Self:
        return cls.model_validate(with_decimals(stored))


_NEWEST = [("at", DESCENDING), ("_id", DESCENDING)]
INDEXES: dict[str, list[IndexModel]] = {
    AUDIT: [
        IndexModel(_NEWEST, name="newest"),
        IndexModel([("target.kind", ASCENDING), ("target.id", ASCENDING), *_NEWEST], name="target"),
        IndexModel([("target.clientId", ASCENDING), *_NEWEST], name="client"),
    ]
}
