"""How many requests per second each caller may send to a server: a token bucket, which its workers share."""

import time
from collections.abc import Callable, Hashable
from pathlib import Path

from app.buckets import Buckets
from app.errors import TooManyRequestsError

BURST_SECONDS = 5
"""How many seconds' worth of its rate an idle caller may send at once."""


class RateLimit:
    """One bucket per caller, whichever worker its requests reach. Two servers have each their own."""

    def __init__(
        self, per_second: int, shared: Path | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`shared`: a file that the workers have in common."""
        self._rate = per_second
        most = per_second * BURST_SECONDS
        self._buckets = Buckets(per_second=per_second, most=most, shared=shared, clock=clock) if per_second else None

    def admit(self, caller: Hashable) -> None:
        """Count one request. Raises TooManyRequestsError where the caller has none left. A rate of 0 admits all."""
        if self._buckets is not None and not self._buckets.take(caller):
            message = f"this caller may send {self._rate} requests per second; send many calls as one batch"
            raise TooManyRequestsError(message)
