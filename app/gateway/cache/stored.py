"""An answer that was kept, and how it passes once more: the way of an upstream's, without one."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from app.gateway.formats.base import Headers


class Stored(NamedTuple):
    """A complete answer, as its first client got it."""

    status: int
    headers: Headers
    """Those that say what the body is."""
    chunks: tuple[bytes, ...]
    """What was sent on while the answer came."""
    end: bytes
    """What was held back until its call was recorded."""
    reported: Mapping[str, Any]
    """Fields of `AICall` that the answer says."""
    stored_at: float
    """Unix seconds."""
    expires_at: float

    @property
    def size(self) -> int:
        """Bytes that it takes, about."""
        return len(self.end) + sum(map(len, self.chunks)) + _AROUND

    def age(self, now: float) -> float:
        """In seconds. A clock that went back makes nothing younger than it can be."""
        return max(now - self.stored_at, 0.0)


_AROUND = 1_500
"""Bytes of what is around an answer: its headers, its usage, its places."""


class StoredAnswer:
    """See `UpstreamAnswer`."""

    def __init__(self, stored: Stored) -> None:
        self.status = stored.status
        self.headers: Sequence[tuple[bytes, bytes]] = stored.headers
        self._chunks = list(reversed(stored.chunks))

    async def chunk(self) -> bytes:
        """See `UpstreamAnswer`."""
        return self._chunks.pop() if self._chunks else b""

    def close(self) -> None:
        """See `UpstreamAnswer`."""
        self._chunks.clear()


class StoredReading:
    """See `Reading`. What it reports, its first reading has read."""

    complete = True
    failure: str | None = None

    def __init__(self, stored: Stored) -> None:
        self.output_begun = False
        self._stored = stored

    def feed(self, chunk: bytes) -> bytes:
        """See `Reading`."""
        self.output_begun = True
        return chunk

    def end(self) -> bytes:
        """See `Reading`."""
        return self._stored.end

    def reported(self, provider: str | None = None, model: str | None = None) -> dict[str, Any]:
        """See `Reading`."""
        del provider, model
        return {**self._stored.reported, "cached": True}
