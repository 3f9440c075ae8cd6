"""Whether MongoDB is there, while a commit is under way: one that takes long may only be a large one."""

import asyncio
import math
from collections.abc import Awaitable, Callable

ASK_SECONDS = 1.0
"""How long a commit takes before MongoDB is asked whether it is there, again and again."""


class Presence:
    """Asks. `answers` says whether MongoDB does; `away` is called when it does not, and no commit has come back."""

    def __init__(self, answers: Callable[[], Awaitable[bool]], away: Callable[[str], None]) -> None:
        self._answers = answers
        self._away = away
        self._commits = 0
        self._asking: asyncio.Task[None] | None = None
        self.due = math.inf
        """When it is to be asked."""

    @property
    def is_asking(self) -> bool:
        return self._asking is not None

    def begins(self, now: float) -> None:
        """A commit has begun."""
        self.due = now + ASK_SECONDS

    def ends(self) -> None:
        """None is under way."""
        self.due = math.inf

    def committed(self) -> None:
        """MongoDB has answered."""
        self._commits += 1

    def ask(self, now: float) -> None:
        """Begin to ask, unless that has been done."""
        self.due = now + ASK_SECONDS
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask(), name="twinmeter-asking")

    def stop(self) -> None:
        if self._asking is not None:
            self._asking.cancel()

    async def _ask(self) -> None:
        try:
            commits = self._commits
            if not await self._answers() and commits == self._commits:
                self._away("no commit in time, and no answer")
        finally:
            self._asking = None
