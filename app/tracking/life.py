"""How a tracker ends, once, whoever asks first: the block that opened it, or the exit of its process. And what becomes
of the calls that it holds where its loop is gone, and where its process forks.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from bson import ObjectId

from app.ledger.outcomes import Outcome, ReceiptStatus
from app.observability.logs import Log
from app.observability.metrics import Counters
from app.spool.journal import SpoolError
from app.spool.spooler import MAX_GROUP
from app.spool.waiting import settle_all
from app.tracking.background import DOOR, Background
from app.tracking.home import Home
from app.tracking.receipt import Flushed
from app.tracking.writer import Writer

log = Log(__name__)

CUT_SHORT_SECONDS = 5.0
"""How long an end that is itself cancelled waits for the disk."""
_SPOOLED = Outcome(ReceiptStatus.SPOOLED)
_CUT_SHORT = Outcome(ReceiptStatus.UNKNOWN, reason="tracking was ended, and nobody waited for that")


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
        self._is_cut_short = False

    @property
    def in_hand(self) -> Flushed:
        """What is in memory, and on the disk, of all that was reported to this process."""
        if self._home.is_left_behind:
            return Flushed(0, 0)
        waiting = 0 if self._is_cut_short else self._background.queued + self._writer.queued
        return Flushed(waiting, self._writer.spooler.depth.calls)

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
        if self._is_cut_short:
            return
        self._home.close()
        if self._ending is None:
            self._ending = asyncio.create_task(self._end_of_all(), name="twinmeter-end")
        try:
            await self._ending
        except asyncio.CancelledError:
            self._cut_short()
            raise

    async def _end_of_all(self) -> None:
        await self._home.arrivals()
        await self._end()

    def _cut_short(self) -> None:
        """Nobody waits for commits any more: put what there is on the disk at once."""
        self._is_cut_short = True
        self._background.leave()
        calls = self._writer.leave()
        lost = self.keep(CUT_SHORT_SECONDS)
        self._counters.count_told(settle_all((call, _SPOOLED) for call in calls if call.pair.id not in lost))
        for call in calls:
            call.settle(_CUT_SHORT)

    def keep(self, seconds: float) -> set[ObjectId]:
        """By plain code: put what there is on the disk, and say what the disk does not take. Returns that."""
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
        return {pair.id for pair in pairs}

    def leave_behind(self) -> None:
        """In a forked child: all of it is its parent's."""
        self._home.leave_behind()
        self._writer.spooler.leave_behind()
        self._let_go()
