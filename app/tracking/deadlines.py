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
    """Calls that the spooler has been given, and whose callers wait for it, until their deadline."""

    def __init__(self, spooler: Spooler) -> None:
        self._spooler = spooler
        self._calls: list[Waiting] = []
        self.due = math.inf
        """When the first of the callers leaves, or some time before that."""

    def add(self, calls: Iterable[Waiting]) -> None:
        for call in calls:
            if call.answer is not None:
                self._calls.append(call)
                self.due = min(self.due, call.until)

    def late(self, now: float) -> list[Waiting]:
        """Those whose callers leave now. Where the disk goes on writing what came before, they wait for it: they are
        many, and it is only a little longer.
        """
        if now < self.due:
            return []
        late: list[Waiting] = []
        kept: list[Waiting] = []
        for call in self._calls:
            if not call.settled:
                (late if self._leaves(call, now) else kept).append(call)
        self._calls = kept
        self.due = min((call.until for call in kept), default=math.inf)
        return late

    def _leaves(self, call: Waiting, now: float) -> bool:
        writing, for_the_disk = self._spooler.seconds_writing, call.until - call.spool_at
        if call.offered:
            silent = writing >= 2 * for_the_disk or (writing >= for_the_disk and now >= call.until + for_the_disk)
            return now >= call.until and silent
        return now >= call.until and writing >= SILENT_SECONDS
