"""Answers in this process: those used last, within a number of bytes, none for longer than it may be kept."""

import heapq
from collections import OrderedDict

from app.gateway.cache.stored import Stored

SHARE = 16
"""One answer may take the so-manieth part of all."""


class Memory:
    """Least recently used first out. Whatever has expired is gone at the next look at anything."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.bytes = 0
        self._stored: OrderedDict[bytes, Stored] = OrderedDict()
        self._ends: list[tuple[float, bytes]] = []
        """When which of them expires, the next one first; some of these are of answers that are gone."""

    def __len__(self) -> int:
        return len(self._stored)

    @property
    def most_of_one(self) -> int:
        """Bytes that one answer may take."""
        return self.most_bytes // SHARE

    def get(self, key: bytes, now: float) -> Stored | None:
        """`now` in Unix seconds."""
        self.expire(now)
        if (stored := self._stored.get(key)) is not None:
            self._stored.move_to_end(key)
        return stored

    def put(self, key: bytes, stored: Stored, now: float) -> bool:
        """Whether it was kept: it may be too large."""
        self.expire(now)
        size = stored.size
        if size > self.most_of_one or stored.expires_at <= now:
            return False
        self._drop(key)
        while self._stored and self.bytes + size > self.most_bytes:
            self.bytes -= self._stored.popitem(last=False)[1].size
        self._stored[key] = stored
        self.bytes += size
        heapq.heappush(self._ends, (stored.expires_at, key))
        if len(self._ends) > 2 * len(self._stored) + 64:
            self._ends = [(each.expires_at, name) for name, each in self._stored.items()]
            heapq.heapify(self._ends)
        return True

    def expire(self, now: float) -> None:
        """Forget what may not be kept any longer."""
        while self._ends and self._ends[0][0] <= now:
            end, key = heapq.heappop(self._ends)
            if (stored := self._stored.get(key)) is not None and stored.expires_at <= end:
                self._drop(key)

    def clear(self) -> None:
        """Forget all of it."""
        self._stored.clear()
        self._ends.clear()
        self.bytes = 0

    def _drop(self, key: bytes) -> None:
        if (stored := self._stored.pop(key, None)) is not None:
            self.bytes -= stored.size
