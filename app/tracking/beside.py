"""A short commit beside a long one: whoever reports little does not wait for the end of what others report.

It has calls of senders of whom none is in the long one, and none of theirs is taken into the next long one meanwhile.
So each sender's calls are committed in their order; between senders ids decide, as between processes.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable

from app.spool.waiting import Waiting
from app.tracking.fair_queue import FairQueue

FEW = 20
"""Calls of a short commit."""


class Beside:
    """Takes them from the queue, one commit after the other. `commit` never raises."""

    def __init__(
        self, queue: FairQueue, commit: Callable[[list[Waiting]], Awaitable[None]] | None, ended: Callable[[], None]
    ) -> None:
        """`commit` is None where there are none. `ended` is told when calls that were held back may be taken."""
        self.current: list[Waiting] = []
        """What is being committed."""
        self._queue = queue
        self._commit = commit
        self._ended = ended
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self.current)

    @property
    def due(self) -> float:
        """When the first of them goes to the spool all the same."""
        return min((call.overdue_at for call in self.current if call.is_open), default=math.inf)

    def overdue(self, now: float) -> list[Waiting]:
        """Those that go to the spool by now."""
        return [call for call in self.current if call.is_open and call.overdue_at <= now]

    def look(self, sender: str) -> None:
        """A call of this sender has come: begin where it need not wait."""
        if self._task is None and self._commit is not None and self._queue.in_hand and self._is_small(sender):
            self._task = asyncio.create_task(self._run(self._commit), name="twinmeter-beside")

    async def end(self, seconds: float) -> None:
        """Wait for what is being committed, for so many seconds at most."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=seconds)

    def cancel(self) -> None:
        """Leave it."""
        if self._task is not None:
            self._task.cancel()

    async def stop(self) -> None:
        """The same, and wait for that."""
        self.cancel()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, commit: Callable[[list[Waiting]], Awaitable[None]]) -> None:
        await asyncio.sleep(0)  # who reports several calls at once reports them now
        while calls := self._queue.take_few(FEW):
            self.current = calls
            await commit(calls)
            # only now: what is cancelled half-way is spooled at the end
            self.current = []
            self._queue.beside.clear()
            self._ended()
        self._task = None

    def _is_small(self, sender: str) -> bool:
        return sender not in self._queue.in_hand and self._queue.of(sender) <= FEW
