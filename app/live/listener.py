"""One open page, and what it has not been told yet: one slot, however fast commits come and however slowly it reads."""

import asyncio
import contextlib

from app.live.changes import News

EVERY_SECONDS = 1.0
"""How often a page is told something at most. What comes in between is told together, at the end of it."""


class Listener:
    """Takes news at any time and gives it out at most once a second. `client` is whom it is about; None for all."""

    def __init__(self, client: str | None) -> None:
        self.client = client
        self.ended = False
        """Whether the server wants it to go."""
        self._news: News | None = None
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._not_before = 0.0

    def tell(self, news: News) -> None:
        """Leave word, beside what waits already."""
        self._news = news if self._news is None else self._news.followed_by(news)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_at(self._not_before, self._wake.set)

    async def next(self, seconds: float) -> News | None:
        """What is new; None where nothing was for so long, or where it is to end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        if self.ended or not self._wake.is_set():
            return None
        self._wake.clear()
        self._timer = None
        self._not_before = asyncio.get_running_loop().time() + EVERY_SECONDS
        news, self._news = self._news, None
        return news

    def end(self) -> None:
        """Have it end now, whatever it waits for."""
        self.ended = True
        self._wake.set()
