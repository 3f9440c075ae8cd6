"""Equal requests at the same time share one computation, and still see every call that was committed before they came.

While a computation runs, requests for the same thing gather; the next one starts when it ends, and serves them all. Its
snapshot is therefore never older than any of the requests that it serves.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class SharedComputations:
    """At most one computation per key runs, and at most one waits."""

    def __init__(self) -> None:
        self._running: dict[Hashable, asyncio.Task[Any]] = {}
        self._waiting: dict[Hashable, asyncio.Task[Any]] = {}

    async def share(self, key: Hashable, compute: Callable[[], Awaitable[T]]) -> T:
        """The result of `compute`, or of an equal one that starts no earlier than now."""
        if (task := self._waiting.get(key)) is None:
            task = asyncio.create_task(self._after_the_running(key, compute))
            self._waiting[key] = task
        # a caller that goes away does not take the others' computation with it
        result: T = await asyncio.shield(task)
        return result

    async def _after_the_running(self, key: Hashable, compute: Callable[[], Awaitable[T]]) -> T:
        if (running := self._running.get(key)) is not None:
            await asyncio.wait({running})
        task = self._waiting.pop(key)
        self._running[key] = task
        try:
            return await compute()
        finally:
            if self._running.get(key) is task:
                del self._running[key]
