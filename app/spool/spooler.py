"""Puts calls into the spool, in groups: while one group is being written, the next one gathers.

A call that cannot be written is `dropped`, or `unknown` where MongoDB was tried first and may have it.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple, TypeVar

from bson import ObjectId

from app.database.outages import reason_of
from app.ledger.outcomes import Outcome, ReceiptStatus
from app.ledger.twins import Pair
from app.observability.logs import Log
from app.observability.metrics import Counters
from app.observability.troubles import Code, Troubles
from app.spool.files import damaged_files
from app.spool.journal import Depth, Spool, SpoolDamagedError, SpoolError
from app.spool.waiting import Waiting, settle_all
from app.threads import DaemonThreads

log = Log(__name__)

MAX_GROUP = 500
TOLD_AT_ONCE = 50
"""Callers that are answered before others get their turn: each has something to do then, and commits wait for none."""
CLOSE_SECONDS = 10.0
LOOK_SECONDS = 2.0
"""How long whoever asks for the status waits for the disk."""

Result = TypeVar("Result")


class SpoolStanding(NamedTuple):
    """The status of a spool."""

    calls: int
    bytes: int
    max_bytes: int
    refused: int
    """Calls that MongoDB will never accept, set aside."""
    unreadable: int
    """Rows that are no calls any more, set aside."""
    damaged: int
    """Damaged spools, set aside."""
    oldest: datetime | None
    """When the call that waits longest was reported."""
    error: str | None
    """Why it does not accept calls; None while it does."""


class Spooler:
    """One process's access to the spool."""

    def __init__(self, spool: Spool, counters: Counters, troubles: Troubles) -> None:
        self.depth = Depth(0, 0)
        """As last seen; other processes share the spool."""
        self.path = spool.path
        self.max_bytes = spool.max_bytes
        self._standing = SpoolStanding(0, 0, self.max_bytes, 0, 0, 0, None, None)
        self.failure: str | None = None
        """Why the last calls could not be spooled, until some can."""
        self._spool = spool
        self._counters = counters
        self._troubles = troubles
        self._pending: list[Waiting] = []
        self._group: list[Waiting] = []
        """The first of them, being written."""
        self._writing_since = 0.0
        self._has_answered = False
        """Whether the disk has, though the loop may not have come to it yet."""
        self._thread = DaemonThreads("spool")
        self._thread.begin()
        self._task: asyncio.Task[None] | None = None
        self.arrived = asyncio.Event()
        """Set when the spool has new calls."""
        self.left = asyncio.Event()
        """Set when calls have left this process's memory, including to MongoDB."""

    @property
    def pending(self) -> int:
        """Calls in memory that are to be written."""
        return len(self._pending)

    @property
    def waiting(self) -> Sequence[Waiting]:
        """They, in order."""
        return self._pending

    @property
    def seconds_writing(self) -> float:
        """For how long the disk has not answered, for what is being written."""
        if not self._group or self._has_answered:
            return 0.0
        return asyncio.get_running_loop().time() - self._writing_since

    def take(self, calls: Iterable[Waiting]) -> None:
        """Write `calls`, and answer their callers."""
        for call in calls:
            call.spooling = True
            self._pending.append(call)
        # one that is done was cancelled, with all other tasks of its loop
        if self._pending and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._write(), name="twinmeter-spooler")

    async def do(self, work: Callable[[Spool], Result]) -> Result:
        """Do something with the spool in its thread; where the file is damaged, with a new one. Raises SpoolError."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, _done, work, self._spool)

    async def standing(self) -> SpoolStanding:
        """The content of the spool, and its error; where it cannot be read, the last known one."""
        standing, error = self._standing, None
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                standing = await self.do(self._look)
            error = self.failure if standing.bytes < self.max_bytes else "the spool is full"
        except SpoolError as failure:
            error = str(failure)
        except TimeoutError:
            error = "the disk does not answer"
        self._standing = standing._replace(error=error)
        return self._standing

    def _look(self, spool: Spool) -> SpoolStanding:
        """In the thread of the spool. Raises SpoolError."""
        if self.failure is not None:
            spool.probe()
            self.failure = None
        self.depth, damaged = spool.depth(), len(damaged_files(self.path))
        aside = spool.refused(), spool.unreadable(), damaged
        return SpoolStanding(*self.depth, self.max_bytes, *aside, oldest=spool.oldest(), error=None)

    async def look(self) -> Depth:
        """See how much waits, whoever put it there. Raises SpoolError."""
        self.depth = await self.do(Spool.depth)
        return self.depth

    async def waiting_here(self, ids: list[ObjectId]) -> dict[ObjectId, Pair]:
        """Those of `ids` that wait in the spool. Raises SpoolError."""
        return await self.do(lambda spool: spool.find(ids))

    async def close(self) -> None:
        """Write what was accepted, for ten seconds at most; what is left then is counted as lost."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=CLOSE_SECONDS)
        if self._task is None:
            await self.do(Spool.close)
        else:
            self._task.cancel()
            reason = "the disk did not answer"
            self._tell((call, _failed(call, reason, maybe=call in self._group)) for call in self._pending)
            log.error("tracking.calls_lost", calls=len(self._pending), reason=reason)
        self._thread.shutdown()

    def keep(self, pairs: list[Pair], seconds: float) -> None:
        """Write `pairs` without an event loop: theirs is closed. Raises SpoolError, and TimeoutError."""
        self._thread.submit(_done, lambda spool: spool.append(pairs), self._spool).result(seconds)

    def leave_behind(self) -> None:
        """In a forked child: the spool is its parent's."""
        self._spool.leave_behind()

    async def _write(self) -> None:
        while self._pending:
            self._group, self._writing_since = self._pending[:MAX_GROUP], asyncio.get_running_loop().time()
            outcomes = await self._written(self._group)
            told, self._group = list(zip(self._group, outcomes, strict=True)), []
            del self._pending[: len(told)]
            self.arrived.set()
            self.left.set()
            for first in range(0, len(told), TOLD_AT_ONCE):
                self._tell(told[first : first + TOLD_AT_ONCE])
                await asyncio.sleep(0)
            self.left.set()  # again: only now all of them are settled
        self._task = None

    async def _written(self, group: list[Waiting]) -> list[Outcome]:
        pairs, self._has_answered = [call.pair for call in group], False
        try:
            outcomes, depth = await self.do(lambda spool: self._appended(spool, pairs))
            self.depth = depth or self.depth
        except SpoolError as error:
            self.failure = str(error)
            self._troubles.report(Code.SPOOL, str(error))
            return [_failed(call, str(error)) for call in group]
        except Exception as error:  # noqa: BLE001 - a bug of ours must not end the spooler for all that follow
            self._troubles.report(Code.SPOOL, reason_of(error), error=error)
            return [_failed(call, f"internal error: {type(error).__name__}") for call in group]
        self.failure = None
        return outcomes

    def _appended(self, spool: Spool, pairs: list[Pair]) -> tuple[list[Outcome], Depth | None]:
        """In the thread of the spool. What is written is so, whatever fails after it. Raises SpoolError."""
        try:
            outcomes = spool.append(pairs)
            with suppress(SpoolError):
                return outcomes, spool.depth()
            return outcomes, None
        finally:
            self._has_answered = True

    def _tell(self, outcomes: Iterable[tuple[Waiting, Outcome]]) -> None:
        self._counters.count_told(settle_all(outcomes))


def _done(work: Callable[[Spool], Result], spool: Spool) -> Result:
    try:
        return work(spool)
    except SpoolDamagedError as error:
        spool.renew(error.detail)
        return work(spool)


def _failed(call: Waiting, reason: str, *, maybe: bool = False) -> Outcome:
    """The outcome of a call that the spool did not accept, or `maybe` did."""
    status = ReceiptStatus.UNKNOWN if call.offered or maybe else ReceiptStatus.DROPPED
    return Outcome(status, reason=reason)
