"""When the next commit begins: at once for a call that comes alone, a little later where others are about to come.

A commit of few calls takes nearly as long as one of twice as many. Of callers who report one call after the other half
would always come just after a commit's start, and two commits would do the work of one. So those who wait are joined
by those who were just answered, if these come again within 3 ms. Where no more than half of them do, the next commits
do not wait.
"""

import asyncio
import math
from collections.abc import Sized

LINGER_SECONDS = 0.003
"""How much later than the end of the last commit the next one begins at most: one of few calls takes 5 ms."""
FEW = 64
"""Calls. For more of them their own time is the larger part of a commit's."""
RESTS = 10
"""Commits that do not wait after one that has waited in vain, or for a few."""


class Arrivals:
    """Tells the committer of a queue when to go on. Its calls are put there, and taken out, by others."""

    def __init__(self, loop: asyncio.AbstractEventLoop, queue: Sized) -> None:
        self._loop = loop
        self._queue = queue
        self._enough = asyncio.Event()
        self._wanted = 1
        """So many calls are enough to go on."""
        self._expected = 0
        """Those that were just answered, and those that waited already."""
        self._until = -math.inf
        self._rests = 0
        self._is_over = False

    def came(self) -> None:
        """A call was put into the queue."""
        if len(self._queue) >= self._wanted:
            self._enough.set()

    def look_again(self) -> None:
        """Calls that were held back may be taken."""
        self._enough.set()

    def answered(self, calls: int) -> None:
        """A commit has ended, and so many callers were told."""
        self._expected = calls + len(self._queue)
        self._until = self._loop.time() + LINGER_SECONDS

    def end(self) -> None:
        """Nobody comes any more: whoever waits for that goes on."""
        self._is_over = True
        self._enough.set()

    async def one(self) -> None:
        """Wait for any call."""
        self._enough.clear()
        await self._enough.wait()

    async def company(self) -> None:
        """Wait for the others where some are expected."""
        waiting = len(self._queue)
        if not 0 < waiting < self._expected <= FEW or self._loop.time() >= self._until or self._is_over:
            return
        if self._rests:
            self._rests -= 1
            return
        self._wanted = self._expected
        self._enough.clear()
        timer = self._loop.call_at(self._until, self._enough.set)
        try:
            await self._enough.wait()
        finally:
            timer.cancel()
            self._wanted = 1
        if 2 * (len(self._queue) - waiting) <= self._expected - waiting:
            self._rests = RESTS
