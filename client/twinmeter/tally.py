"""Counting from any thread, also where a lock must not be taken."""

from __future__ import annotations

from collections import deque
from itertools import count, islice


class Tally:
    """A number that only grows. `add` is atomic, and may be called anywhere."""

    def __init__(self) -> None:
        self._count = count()
        self.add = self._count.__next__

    def grow(self, number: int) -> None:
        """Add so many; atomic one by one, so that none is missed."""
        deque(islice(self._count, number), maxlen=0)

    @property
    def value(self) -> int:
        # all that a count says of itself without being moved on: "count(5)"
        return int(repr(self._count)[6:-1])
