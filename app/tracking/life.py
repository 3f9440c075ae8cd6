"""How a tracker ends, once, whoever asks first: the block that opened it, or the exit of its process. And what becomes
of the calls that it holds where its loop is gone, and where its process forks.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from app.ledger.outcomes import ReceiptStatus
from app.observability.logs import Log
from app.observability.metrics import Counters
from app.spool.journal import SpoolError
from app.spool.spooler import MAX_GROUP
from app.tracking.background import DOOR, Background
from app.tracking.home import Home
from app.tracking.receipt import Flushed
from app.tracking.writer import Writer

log = Log(__name__)


class Life:
    """Of one tracker."""

    def __init__(
        self,
        home: Home,
        background: Background,
        writer: Writer,
        counters: Counters,
        *,
        end: Callable[[], Coroutine[Any, Any, None]],
        let_go: Callable[[], None],
    ) -> None:
        """`end` commits or spools what there is. `let_go` closes files that say that this process is at work."""
        self._home = home
        self._background = background
        self._writer = writer
        self._counters = counters
        self._end = end
        self._let_go = let_go
        self._ending: asyncio.Task[None] | None = None

    @property
    def in_hand(self) -> Flushed:
        """What is in memory, and on the disk, of all that was reported to this process."""
        if self._home.is_left_behind:
            return Flushed(0, 0)
        return Flushed(self._background.queued + self._writer.queued, self._writer.spooler.depth.calls)

    async def flush(self, seconds: float) -> Flushed:
        """Wait until what was reported before is committed or spooled."""
        await self._home.arrivals()
        calls = None
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._background.passed_on()
                calls = self._writer.in_memory
                while any(not call.settled for call in calls):
                    self._writer.spooler.left.clear()
                    await self._writer.spooler.left.wait()
        if calls is None:
            return self.in_hand
        return Flushed(sum(not call.settled for call in calls), self._writer.spooler.depth.calls)

    async def close(self) -> None:
        """Refuse new calls, and commit or spool what there is."""
        self._home.close()
        if self._ending is None:
            self._ending = asyncio.create_task(self._end_of_all(), name="twinmeter-end")
        await self._ending

    async def _end_of_all(self) -> None:
        await self._home.arrivals()
        await self._end()

    def keep(self, seconds: float) -> None:
        """Where the loop is closed: put what there is on the disk, and say what the disk does not take."""
        held = {call.pair.id: call.pair for call in self._writer.in_memory}
        held |= {pair.id: pair for pair in self._background.give_up()}
        pairs = list(held.values())
        try:
            while pairs:
                self._writer.spooler.keep(pairs[:MAX_GROUP], seconds)
                del pairs[:MAX_GROUP]
        except (SpoolError, TimeoutError, RuntimeError) as error:
            self._counters.count(DOOR, ReceiptStatus.DROPPED, len(pairs))
            reason = str(error) or "the disk did not answer"
            log.error("tracking.calls_lost", calls=len(pairs), reason=reason)  # noqa: TRY400 - all there is

    def leave_behind(self) -> None:
        """In a forked child: all of it is its parent's."""
        self._home.leave_behind()
        self._writer.spooler.leave_behind()
        self._let_go()
