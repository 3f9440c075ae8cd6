"""What the committer takes next: a batch from the queue, as large as commits are quick. Where one took too long, its
calls come again in halves, before anything else.
"""

import math

from app.spool.waiting import Waiting
from app.tracking.admission import MAX_BATCH
from app.tracking.fair_queue import FairQueue
from app.tracking.pace import Pace

QUICK_SECONDS = 1.0
"""After a commit that took longer, the next one is no larger."""


LONG_SECONDS = 0.015
"""A commit for whose end nobody is to wait who reports little."""


class Batches:
    """For one committer."""

    def __init__(self, queue: FairQueue, pace: Pace) -> None:
        self.current: list[Waiting] = []
        """What is being committed."""
        self.due = math.inf
        """When the first of them goes to the spool all the same, or some time before that."""
        self._again: list[Waiting] = []
        """What is to be committed again."""
        self._queue = queue
        self._pace = pace
        self._most = MAX_BATCH
        """What a batch may have: fewer after one that took too long."""

    def __len__(self) -> int:
        """How many calls have been taken from the queue and are not done."""
        return len(self.current) + len(self._again)

    @property
    def calls(self) -> list[Waiting]:
        """They."""
        return [*self.current, *self._again]

    @property
    def waits(self) -> bool:
        """Whether there is anything to take."""
        return bool(self._again) or self._queue.waits

    @property
    def since(self) -> float:
        """When the first call came that has been taken, by the loop's clock; infinite where there is none."""
        return min((calls[0].since for calls in (self.current, self._again) if calls), default=math.inf)

    def overdue(self, now: float) -> list[Waiting]:
        """Those that go to the spool by now."""
        if now < self.due:
            return []
        calls = self._open
        self.due = min((call.overdue_at for call in calls if call.overdue_at > now), default=math.inf)
        return [call for call in calls if call.overdue_at <= now]

    def take(self) -> bool:
        """Make the next batch the current one. Returns whether MongoDB may have it already."""
        most = min(self._most, self._pace.batch(MAX_BATCH, self._queue.senders_lately))
        self._again = [call for call in self._again if call.is_open]
        if self._again:
            self.current, self._again = self._again[:most], self._again[most:]
            return True
        self.current = self._queue.take(most)
        if self._pace.of(len(self.current)) >= LONG_SECONDS:
            self._queue.in_hand.update(call.sender for call in self.current)
        self.due = min((call.overdue_at for call in self.current), default=math.inf)
        return False

    def committed(self, seconds: float) -> None:
        """The commit of the current one took so long."""
        if seconds < QUICK_SECONDS:
            self._most = min(2 * self._most, MAX_BATCH)

    def halve(self) -> None:
        """Let the current one, of several calls, be committed again in halves."""
        self._most = len(self.current) // 2
        self._again = [*self.current, *self._again]

    def end(self) -> None:
        """The current one is done, or to be taken again."""
        self.current = []
        if not self._again:
            self._queue.in_hand.clear()

    def give_up(self) -> list[Waiting]:
        """What has been taken: nothing of it is to be committed again."""
        calls, self._again = [*self.current, *self._again], []
        return calls

    @property
    def _open(self) -> list[Waiting]:
        """What has been taken and is nowhere else yet."""
        return [call for calls in (self.current, self._again) for call in calls if call.is_open]
