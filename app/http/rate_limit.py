"""How many requests per second each caller may send to this process: a token bucket."""

import time
from collections.abc import Callable, Hashable

from cachetools import LRUCache

from app.errors import TooManyRequestsError

BURST_SECONDS = 5
"""How many seconds' worth of its rate an idle caller may send at once."""
MOST_CALLERS = 10_000


class RateLimit:
    """One bucket per caller. Each process has its own: with N of them a caller may send N times as much."""

    def __init__(self, per_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = per_second
        self._clock = clock
        self._buckets: LRUCache[Hashable, tuple[float, float]] = LRUCache(MOST_CALLERS)
        """Requests left, and as of when; the caller that has been idle longest is first."""

    def admit(self, caller: Hashable) -> None:
        """Count one request. Raises TooManyRequestsError where the caller has none left. A rate of 0 admits all."""
        if not self._rate:
            return
        now = self._clock()
        most = self._rate * BURST_SECONDS
        left, since = self._buckets.get(caller, (float(most), now))
        left = min(most, left + (now - since) * self._rate)
        self._buckets[caller] = (left - 1 if left >= 1 else left, now)
        if left < 1:
            message = f"this caller may send {self._rate} requests per second; send many calls as one batch"
            raise TooManyRequestsError(message)
