"""An answer on its way to its first client, of which a copy is held to be given again."""

from typing import TYPE_CHECKING, Any

from app.gateway.formats.base import Reading

if TYPE_CHECKING:
    from app.gateway.cache.cache import ResponseCache

PIECE = 16_384
"""Bytes that are sent at once when it is given again: each of a stream's events alone would take ten times as long."""


class Recording:
    """See `Reading`. It is dropped as soon as there is no room for it: the answer passes all the same."""

    def __init__(self, reading: Reading, cache: "ResponseCache") -> None:
        self._reading = reading
        self._cache = cache
        self._pieces: list[bytes] | None = []
        self._end: bytes | None = None
        self._size = 0

    @property
    def complete(self) -> bool:
        """See `Reading`."""
        return self._reading.complete

    @property
    def output_begun(self) -> bool:
        """See `Reading`."""
        return self._reading.output_begun

    @property
    def failure(self) -> str | None:
        """See `Reading`."""
        return self._reading.failure

    def feed(self, chunk: bytes) -> bytes:
        """See `Reading`."""
        passed = self._reading.feed(chunk)
        if passed and self._pieces is not None and self._has_room(len(passed)):
            self._pieces.append(passed)
        return passed

    def end(self) -> bytes:
        """See `Reading`."""
        held = self._reading.end()
        if self._end is None and self._has_room(len(held)):
            self._end = held
        return held

    def reported(self, provider: str | None = None, model: str | None = None) -> dict[str, Any]:
        """See `Reading`."""
        return self._reading.reported(provider, model)

    def content(self) -> tuple[tuple[bytes, ...], bytes] | None:
        """What was sent on, and what was held back; None of an answer that is not whole, or was too large."""
        if self._pieces is None or self._end is None or not self.complete or self.failure is not None:
            return None
        return tuple(_joined(self._pieces)), self._end

    def drop(self) -> None:
        """Hold nothing of it any longer."""
        self._pieces = None
        self._cache.give_room(self._size)
        self._size = 0

    def _has_room(self, size: int) -> bool:
        if self._pieces is None:
            return False
        if self._size + size > self._cache.memory.most_of_one or not self._cache.take_room(size):
            self.drop()
            return False
        self._size += size
        return True


def _joined(pieces: list[bytes]) -> list[bytes]:
    joined: list[bytes] = []
    first, size = 0, 0
    for at, piece in enumerate(pieces):
        size += len(piece)
        if size >= PIECE:
            joined.append(b"".join(pieces[first : at + 1]))
            first, size = at + 1, 0
    return [*joined, b"".join(pieces[first:])] if size else joined
