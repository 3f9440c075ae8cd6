"""When to try again: sooner after a first fault than after many, and never all clients at one moment."""

from __future__ import annotations

import os
import time

FIRST_SECONDS = 0.25
LONGEST_SECONDS = 30.0
LONGEST_ASKED = 600.0
"""Seconds that a server may ask for by `Retry-After`. More is a mistake of somebody's."""


class Pause:
    """Doubles with each fault in a row, up to `LONGEST_SECONDS`, with jitter; or lasts as long as the server asks."""

    def __init__(self) -> None:
        self.faults = 0
        """In a row."""
        self._until = 0.0
        self._is_asked = False

    @property
    def left(self) -> float:
        """Seconds until the next attempt; 0 or less where it may begin."""
        return self._until - time.monotonic() if self._until else 0.0

    @property
    def is_asked(self) -> bool:
        """Whether the server has asked for this pause, so that even a flush keeps it."""
        return self._is_asked and self.left > 0

    def failed(self, retry_after: float | None = None, *, slowly: bool = False) -> None:
        """An attempt has failed. `slowly`: it will, until somebody changes something."""
        exponent = min(self.faults, 20)
        self.faults += 1
        seconds = LONGEST_SECONDS if slowly else min(LONGEST_SECONDS, FIRST_SECONDS * 2**exponent)
        seconds *= (1 + os.urandom(1)[0] / 256) / 2
        self._is_asked = retry_after is not None
        if retry_after is not None:
            seconds = max(seconds, min(retry_after, LONGEST_ASKED))
        self._until = time.monotonic() + seconds

    def succeeded(self) -> None:
        """The server is there."""
        self.faults, self._until, self._is_asked = 0, 0.0, False

    def cut_short(self) -> None:
        """Try again now, unless the server has asked not to: somebody waits."""
        if not self.is_asked:
            self.faults, self._until = min(self.faults, 1), 0.0
