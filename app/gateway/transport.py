"""The way to upstreams: one request, one answer, in pieces as they come."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

FailureKind = Literal["dns", "connect", "tls", "timeout", "cut", "too_large", "protocol"]


class UpstreamError(Exception):
    """An upstream that gave no answer, or no whole one. The message has no secret, and no address with a key."""

    def __init__(self, kind: FailureKind, message: str, *, reached: bool = True) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.reached = reached
        """Whether the upstream may have got the request, so that a second one might be a second call."""


class UpstreamRequest(NamedTuple):
    """What an upstream is sent.

    `first_byte_seconds` is from when it has taken the last piece of the request until the head of its answer,
    `silence_seconds` is how long it may send nothing while a piece of the body is waited for.
    """

    method: str
    url: str
    """As it goes out: its path is encoded already."""
    headers: Sequence[tuple[str, str]]
    body: bytes
    connect_seconds: float
    first_byte_seconds: float
    silence_seconds: float


class UpstreamAnswer(Protocol):
    """An answer, of which the head has come."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    """As they came, with names in lower case."""

    async def chunk(self) -> bytes:
        """The next piece as soon as there is one; empty at the end. Raises UpstreamError where it breaks off, after all
        that came before.
        """

    def close(self) -> None:
        """Let it go: a connection whose answer was not read to its end is closed."""


class Transport(Protocol):
    """To all upstreams of a process."""

    async def open(self, request: UpstreamRequest) -> UpstreamAnswer:
        """Raises UpstreamError."""

    async def close(self) -> None:
        """Close all connections."""
