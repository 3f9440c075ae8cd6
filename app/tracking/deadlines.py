"""When callers leave: each at the deadline of its own call, told the truth about where the call is.

One timer serves all of them. It may be late by itself, where other work of the process held the event loop, or the
machine slept: then what arrived meanwhile comes first, so that nobody is told that a commit is late which only we are.
"""

import asyncio
import math
from collections.abc import Callable, Iterable

from app.ledger.outcomes import Outcome, ReceiptStatus
from app.spool.spooler import Spooler
from app.spool.waiting import Waiting

ALARM_SECONDS = 0.01
"""How much longer than the deadline a caller may wait, so that one timer serves many."""
HELD_UP_SECONDS = 0.1
"""By how much the timer is late where that is not its own doing."""
ARRIVAL_SECONDS = 0.02
"""What has arrived by then was there when the timer should have rung."""

SILENT_SECONDS = 1.0
"""How long the disk may take for one group before callers leave whose calls MongoDB has not been asked to commit: until
then it is more likely that this process is short of time than that the disk hangs. While it hangs, those that come
later leave at their deadline."""

LATE = Outcome(ReceiptStatus.UNKNOWN, reason="the deadline passed first")


class Alarm:
    """One timer, which rings at the earliest of the times that it was set to."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[float], None]) -> None:
        """`ring` is called with the loop's time, and sets the alarm again."""
        self._loop = loop
        self._ring = ring
        self._timer: asyncio.TimerHandle | None = None
        self._at = math.inf
        self._waited_for_arrivals = False

    def set(self, at: float) -> None:
        """To ring at `at`, or earlier where it is set to that already."""
        if at < self._at:
            self.stop()
            self._at = at
            self._timer = self._loop.call_at(at, self._rings)

    def stop(self) -> None:
        self._at = math.inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _rings(self) -> None:
        now, at = self._loop.time(), self._at
        self.stop()
        if now - at > HELD_UP_SECONDS and not self._waited_for_arrivals:
            self._waited_for_arrivals = True
            self.set(now + ARRIVAL_SECONDS)
            return
        self._waited_for_arrivals = False
        self._ring(now)


class Spooling:
    """Callers of what the spooler has been given: they wait for the disk, and leave only where that is silent.

    While it answers, nothing is looked at: under overload ten thousand callers wait for it at once.
    """

    def __init__(self, spooler: Spooler) -> None:
        self._spooler = spooler
        self._offered: list[Waiting] = []
        """Those of calls that MongoDB was asked to commit."""
        self._first = math.inf
        """When the first of all leaves, or some time before that."""

    def add(self, calls: Iterable[Waiting]) -> None:
        waited_for = [call for call in calls if call.answer is not None]
        self._first = min([self._first, *(call.until for call in waited_for)])
        if offered := [call for call in waited_for if call.offered]:
            self._offered = [*(call for call in self._offered if not call.settled), *offered]

    def due(self, now: float) -> float:
        """When the first of the callers leaves, or some time before that."""
        writing = self._spooler.seconds_writing
        offered = [max(call.until, now + _for_the_disk(call) - writing) for call in self._offered]
        return min([max(self._first, now + SILENT_SECONDS - writing), *offered])

    def late(self, now: float) -> list[Waiting]:
        """Those whose callers leave now. Where the disk goes on writing what came before, they wait for it: they are
        many, and it is only a little longer.
        """
        writing = self._spooler.seconds_writing
        self._offered = [call for call in self._offered if not call.settled]
        late = [call for call in self._offered if _leaves(call, now, writing)]
        if not self._spooler.pending:
            self._first = math.inf
        elif now >= self._first and writing >= SILENT_SECONDS:
            waited_for = [call for call in self._spooler.waiting if call.answer is not None and not call.settled]
            late += [call for call in waited_for if call.until <= now and not call.offered]
            self._first = min((call.until for call in waited_for if call.until > now), default=math.inf)
        return late


def _leaves(call: Waiting, now: float, writing: float) -> bool:
    """Whether the caller leaves of a call that MongoDB was asked to commit."""
    if now < call.until:
        return False
    enough = _for_the_disk(call)
    return writing >= 2 * enough or (writing >= enough and now >= call.until + enough)


def _for_the_disk(call: Waiting) -> float:
    return call.until - call.spool_at
