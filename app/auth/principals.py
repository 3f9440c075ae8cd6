"""The caller of a request: who it is, and what it may do."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from app.auth.claims import Bearer

Recheck = Callable[[], Awaitable["Principal"]]
"""The current principal of a request. Raises NotAuthenticatedError, and others where it cannot be checked."""
DEFAULT_CLIENT = "default"
"""The client of calls and tokens without one."""


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

    @classmethod
    def bearing(cls, bearer: Bearer) -> Self:
        """The bearer of a token. Without a known role it is a user, which has the fewest rights."""
        client = bearer.client or DEFAULT_CLIENT
        if bearer.role == Role.ADMIN:
            return cls(bearer.subject, frozenset(Scope), None, None)
        user = None if bearer.role == Role.SERVICE else bearer.subject
        return cls(bearer.subject, frozenset({Scope.INGEST, Scope.READ}), client, user)
