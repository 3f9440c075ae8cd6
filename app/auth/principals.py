"""The caller of a request: who it is, and what it may do."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Self

from models.call import DEFAULT_CLIENT
from models.key_policy import KeyPolicy

Recheck = Callable[[], Awaitable["Principal"]]
"""The current principal of a request. Raises NotAuthenticatedError, and others where it cannot be checked."""


class Scope(StrEnum):
    """What a caller may do, for its own client."""

    INGEST = "ingest"
    """Report calls."""
    READ = "read"
    """Read figures."""
    GATEWAY = "gateway"
    """Call models through the gateway."""
    ADMIN = "admin"
    """Read everything, and set prices and keys."""


class Role(StrEnum):
    """The role of a token's bearer."""

    ADMIN = "admin"
    """Runs the deployment: everything, of every client, unless its token names the only one."""
    SERVICE = "service"
    """An application: reports and reads the calls of one client, for any of its users."""
    USER = "user"
    """A person: reports their own calls and sees only themselves. Also anyone without a known role."""
    PANEL = "panel"
    """A person's browser, for minutes: sees this person's usage panel, and nothing else."""


class Bearer(NamedTuple):
    """What a token says of its bearer."""

    subject: str
    role: Role
    client: str | None
    note: str | None = None
    """Why it is a mere user, where its role did not say so."""
    origins: tuple[str, ...] = ()
    """The origins whose pages may use it, where it names any."""
    only_client: str | None = None
    """The one client of which an administrator is; None for all."""


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
    origins: tuple[str, ...] = ()
    """The only origins whose pages may use its credential; empty for those that the deployment lets."""
    key_id: str | None = None
    """The public part of the API key that it is; None for tokens, whatever their subject."""
    policy: KeyPolicy | None = field(default=None, compare=False)
    """What that key lets it ask of the gateway; None for tokens."""

    @property
    def sees_a_panel_only(self) -> bool:
        """Whether it may look at its user's panel, and do nothing else."""
        return not self.scopes

    @classmethod
    def bearing(cls, bearer: Bearer, expires: float) -> Self:
        """The bearer of a token."""
        if bearer.role is Role.ADMIN:
            return cls(bearer.subject, frozenset(Scope), bearer.only_client, None, expires)
        client = bearer.client or DEFAULT_CLIENT
        if bearer.role is Role.PANEL:
            note = "a panel token shows one user's panel, and opens nothing else"
            return cls(bearer.subject, frozenset(), client, bearer.subject, expires, note, bearer.origins)
        user = None if bearer.role is Role.SERVICE else bearer.subject
        return cls(bearer.subject, frozenset({Scope.INGEST, Scope.READ}), client, user, expires, bearer.note)
