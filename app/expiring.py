"""A small memory of answers that hold for a moment."""

import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class ExpiringCache(Generic[K, V]):
    """Values that hold until a moment of the clock, at most `most` of them: the oldest makes room."""

    def __init__(self, most: int, clock: Callable[[], float] = time.time) -> None:
        self._most = most
        self._clock = clock
        self._held: dict[K, tuple[V, float]] = {}

    def get(self, key: K) -> V | None:
        """What is held for `key`, if it holds still."""
        if (found := self._held.get(key)) is None:
            return None
        value, until = found
        if self._clock() < until:
            return value
        del self._held[key]
        return None

    def put(self, key: K, value: V, until: float) -> None:
        """Hold `value` until that moment, in seconds of the clock."""
        self._held.pop(key, None)
        if len(self._held) >= self._most:
            del self._held[next(iter(self._held))]
        self._held[key] = value, until
