"""Whether the server is worth asking: one that is dead or slow costs time only whoever looks whether it is back."""

from __future__ import annotations

import os
import time

from twinmeter.decisions import Away

FIRST_SECONDS = 0.25
LONGEST_SECONDS = 5.0
LONGEST_ASKED = 60.0
"""Seconds that a server may ask for by `Retry-After`: meanwhile no limit holds, or nobody is served."""


class Circuit:
    """After a fault nobody asks for a while, then one does. Threads use it at once, without a lock."""

    def __init__(self) -> None:
        self._faults = 0
        """In a row."""
        self._until = 0.0
        self._reason = ""
        self.turn = 0
        """Grows with each fault: whatever was asked before it and fails is part of it."""

    @property
    def is_closed(self) -> bool:
        """Whether the server has answered the last time."""
        return not self._faults

    def away(self) -> Away | None:
        """Why not to ask now; None where this caller is to ask, and to tell what comes of it."""
        if not self._faults:
            return None
        left = self._until - time.monotonic()
        if left > 0:
            return Away(self._reason, left)
        self._until = time.monotonic() + LONGEST_SECONDS  # the others wait for what this one finds
        return None

    def failed(self, away: Away, turn: int) -> None:
        """What was asked at this turn was in vain."""
        if turn != self.turn:
            return
        self.turn += 1
        seconds = LONGEST_SECONDS if away.slowly else min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** min(self._faults, 20))
        seconds *= (1 + os.urandom(1)[0] / 256) / 2
        if away.retry_after is not None:
            seconds = max(seconds, min(away.retry_after, LONGEST_ASKED))
        self._faults += 1
        self._reason = away.reason
        self._until = time.monotonic() + seconds

    def answered(self) -> None:
        """The server is there."""
        self._faults, self._until = 0, 0.0
