"""Tracking on the event loop of a thread, as applications without a loop of their own have it."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from app.settings import Settings
from app.tracking import Tracker, TrackReceipt, track_ai_request, tracking

Result = TypeVar("Result")
CALL: dict[str, Any] = {"user_id": "u", "content_type": "chat", "model": "gpt-4o", "input_tokens": 10}


class Hosted:
    """Opens tracking at once, and closes it at `stop`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._opened = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._host()), daemon=True)
        self._thread.start()
        self._opened.wait()

    async def _host(self) -> None:
        self.loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with tracking(self._settings) as self.tracker:
            self._opened.set()
            await self._stop.wait()

    tracker: Tracker
    loop: asyncio.AbstractEventLoop

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """On the loop of the thread."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()


def report(**more: Any) -> TrackReceipt:
    """What a plain function does."""
    return asyncio.run(track_ai_request(**{**CALL, **more}))


def in_threads(threads: int, work: Callable[[int], Iterable[Result]]) -> list[Result]:
    """What `work` gives in each of so many threads."""
    with ThreadPoolExecutor(threads) as pool:
        return [each for results in pool.map(lambda number: list(work(number)), range(threads)) for each in results]
