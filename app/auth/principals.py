"""The caller of a request: who it is, and what it may do."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Self

from models.call import DEFAULT_CLIENT

Recheck = Callable[[], Awaitable["Principal"]]
"""The current principal of a request. Raises NotAuthenticatedError, and others where it cannot be checked."""


class Scope(StrEnum):
    """What a caller may do, for its own client."""

    INGEST = "ingest"
    """Report calls."""
    READ = "read"
    """Read figures."""
    ADMIN = "admin"
    """Read everything, and set prices and keys."""


class Role(StrEnum):
    """The role of a token's bearer."""

    ADMIN = "admin"
    """Runs the deployment: everything, of every client."""
    SERVICE = "service"
    """An application: reports and reads the calls of one client, for any of its users."""
    USER = "user"
    """A person: reports their own calls and sees only themselves. Also anyone without a known role."""


class Bearer(NamedTuple):
    """What a token says of its bearer."""

    subject: str
    role: Role
    client: str | None
    note: str | None = None
    """Why it is a mere user, where its role did not say so."""


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller of a request. What it may reach follows from this alone."""

    subject: str
    """Who it is, for the record: the user of a token, or `key:` and the id of an API key."""
    scopes: frozenset[Scope]
    client: str | None
    """The only client that it reports for and sees; None for every client."""
    user: str | None
    """The only user that it reports for and sees; None for every user of the client."""
    expires: float | None = field(default=None, compare=False)
    """When its credential expires (Unix seconds), as far as known now; None for never."""
    note: str | None = field(default=None, compare=False)
    """What a caller that lacks a scope should know about its own rights."""

    @classmethod
    def bearing(cls, bearer: Bearer, expires: float) -> Self:
        """The bearer of a token."""
        if bearer.role is Role.ADMIN:
            return cls(bearer.subject, frozenset(Scope), None, None, expires)
        client = bearer.client or DEFAULT_CLIENT
        user = None if bearer.role is Role.SERVICE else bearer.subject
        return cls(bearer.subject, frozenset({Scope.INGEST, Scope.READ}), client, user, expires, bearer.note)
