"""One open page, and its pending notification: one slot, however fast commits come and however slowly it reads."""

import asyncio
import contextlib

from app.live.changes import News

EVERY_SECONDS = 1.0
"""The minimum interval between notifications. What comes in between is sent together, at its end."""


class Listener:
    """Accepts news at any time and emits it at most once per second. `client` is whom it is about; None for all."""

    def __init__(self, client: str | None) -> None:
        self.client = client
        self.ended = False
        """Whether the server wants it to go."""
        self._news: News | None = None
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._not_before = 0.0

    def tell(self, news: News) -> None:
        """Add news to what waits already."""
        self._news = news if self._news is None else self._news.followed_by(news)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_at(self._not_before, self._wake.set)

    async def next(self, seconds: float) -> News | None:
        """What is new; None after that long without news, or when it is to end."""
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
        """End it now, whatever it waits for."""
        self.ended = True
        self._wake.set()
