"""Counting from any thread, also where a lock must not be taken."""

from __future__ import annotations

from itertools import count


class Tally:
    """A number that only grows. `add` is atomic, and may be called anywhere."""

    def __init__(self) -> None:
        self._count = count()
        self.add = self._count.__next__

    @property
    def value(self) -> int:
        # all that a count says of itself without being moved on: "count(5)"
        return int(repr(self._count)[6:-1])
