"""Who may still enter the queue: whether there is room in memory, and how long a call would wait.

What would wait longer than its sender does is refused before it is handled, with the time at which there will be room.
"""

import math
import random
from collections import Counter
from collections.abc import Callable
from typing import Any, NoReturn

from app.errors import OverloadedError
from app.observability.logs import Log
from app.observability.metrics import Counters
from app.spool.waiting import Waiting
from app.tracking.fair_queue import SHARE, FairQueue
from app.tracking.pace import Pace

log = Log(__name__)

MAX_BATCH = 1_000
MAX_QUEUED = 50_000
"""About 250 MB of calls: what a process holds in memory. Later ones are refused, or dropped, and counted."""
COMMIT_SHARE = 0.8
"""The share of a deadline after which a call goes to the spool; the rest is for the disk."""
DISK_SECONDS = 1.0
"""What of a long deadline is for the disk."""
LEEWAY = 0.6
"""The share of that which may be taken when a request is admitted: whoever comes later, or again, has turns, too."""
TRIED_ANYWAY = 100
"""Calls that are queued however slow MongoDB was: whether it still is, only a commit tells, and one of few is quick."""
LONGEST_RETRY_SECONDS = 60.0
SECONDS_BETWEEN_WARNINGS = 1.0


def seconds_to_commit(within: float) -> float:
    """The seconds after which a call goes to the spool whose sender waits for so many."""
    return within - min((1 - COMMIT_SHARE) * within, DISK_SECONDS)


class OnceASecond:
    """A warning with the number of calls that it is about, at most once a second."""

    def __init__(self, event: str, clock: Callable[[], float]) -> None:
        self._event = event
        self._clock = clock
        self._calls = 0
        self._at = -math.inf

    def warn(self, calls: int, **more: Any) -> None:
        self._calls += calls
        now = self._clock()
        if now - self._at >= SECONDS_BETWEEN_WARNINGS:
            log.warning(self._event, calls=self._calls, **more)
            self._calls, self._at = 0, now


class Admission:
    """Of one process. `in_memory` says how many calls it holds, `clock` is the loop's."""

    def __init__(
        self, queue: FairQueue, pace: Pace, counters: Counters, in_memory: Callable[[], int], clock: Callable[[], float]
    ) -> None:
        self._busy_until = 0.0
        """When the commit that is under way should be done."""
        self._queue = queue
        self._pace = pace
        self._counters = counters
        self._in_memory = in_memory
        self._clock = clock
        self._reserved: Counter[str] = Counter()
        """Calls of requests that were admitted and have not queued yet, by sender."""
        self._warning = OnceASecond("tracking.overloaded", clock)
        self.idle()

    def idle(self) -> None:
        """No commit is under way."""
        self.busy(0.0, 0)

    def busy(self, since: float, calls: int) -> None:
        """A commit of so many calls has begun."""
        # worked out once, as it is asked for each call
        self._batch = self._pace.batch(MAX_BATCH, self._queue.senders_lately)
        self._batch_seconds = self._pace.of(self._batch)
        self._busy_until = since + self._pace.of(calls)

    @property
    def room(self) -> int:
        """How many more calls this process holds, whoever sends them."""
        return MAX_QUEUED - self._in_memory() - self._reserved.total()

    def holds(self, sender: str, calls: int = 1) -> bool:
        """Whether there is room for so many more calls of a sender: more than its share it may not have."""
        taken = self._in_memory() + calls
        if self._reserved:
            taken += self._reserved.total()
        left = MAX_QUEUED - taken
        if taken <= SHARE * (left + 1):  # then nobody can have more than a share
            return left >= 0
        return left >= 0 and self._queue.of(sender) + self._reserved[sender] + calls <= SHARE * (left + 1)

    def is_in_vain(self, call: Waiting) -> bool:
        """Whether a call that comes now would be committed too late, if all goes on as it does."""
        if (waiting := len(self._queue)) < TRIED_ANYWAY:
            return False
        # others have their turns as long as this one waits: their flood is not before it
        ahead = min(waiting, self._queue.of(call.sender) * self._queue.senders)
        begins = max(self._busy_until, call.since)
        return begins + (ahead // self._batch + 1) * self._batch_seconds > call.overdue_at

    def seconds(self, sender: str = "", calls: int = 1) -> float:
        """How long so many more calls of a sender would wait for the end of their commit."""
        return self._waits(sender, self._reserved[sender] + calls, self._reserved.total() + calls)

    def ahead_of(self, sender: str, calls: int = 0) -> float:
        """The same, if they queued now: before all that was admitted and has not queued yet."""
        return self._waits(sender, calls, calls)

    def reserved(self, sender: str) -> int:
        """Calls of a sender's requests that were admitted and have not queued yet."""
        return self._reserved[sender]

    @property
    def backlog(self) -> float:
        """How long the last of all calls that wait now does, for the end of its commit; 0 where none waits."""
        return self._until_committed(len(self._queue))

    def accepts(self, sender: str, calls: int, within: float) -> bool:
        """Whether so many calls of a sender would be committed within so many seconds."""
        return self._excess(sender, calls, within) <= 0

    def admit(self, sender: str, calls: int, within: float) -> None:
        """The same, and count what is refused. Raises OverloadedError."""
        if (excess := self._excess(sender, calls, within)) > 0:
            # later for some, so that not all who are refused now come back at once
            self.refuse(calls, excess + random.uniform(0, max(1.0, excess)))  # noqa: S311 - jitter

    def admit_body(self, sender: str, calls: int, within: float, leeway: float, turns: float) -> None:
        """The same for calls that are to be decoded. `leeway` is the share of the time that they may take, and `turns`
        says for how many seconds those before them, and they, will be decoded. Raises OverloadedError.
        """
        if (excess := self._excess(sender, calls, within, leeway, turns)) > 0:
            self.refuse(calls, excess + random.random())  # noqa: S311 - jitter

    def _waits(self, sender: str, own: int, all_: int) -> float:
        """How long the last of so many calls of a sender waits behind what has queued, `all_` with those of others."""
        queued = self._queue.of(sender)
        others = self._queue.senders - (queued > 0)
        # others have their turns as long as this one waits, and no more of them than they have calls
        return self._until_committed(min((queued + own) * (others + 1), len(self._queue) + all_))

    def _until_committed(self, ahead: int) -> float:
        """In how many seconds so many calls are committed, after what is under way."""
        under_way = max(0.0, self._busy_until - self._clock())
        if ahead <= self._batch:
            return under_way + (self._pace.of(ahead) if ahead else 0.0)
        return under_way + ahead / self._batch * self._batch_seconds

    def _excess(self, sender: str, calls: int, within: float, leeway: float = LEEWAY, turns: float = 0.0) -> float:
        """In how many seconds there is room for them."""
        if not self.holds(sender, calls):
            return self.seconds(sender, calls) / SHARE
        # with nothing before it a request is always tried: how fast MongoDB is now, nobody knows otherwise
        if len(self._queue) or self._reserved:
            expected = max(self.seconds(sender, calls), turns + self.ahead_of(sender))
            return expected - leeway * seconds_to_commit(within)
        return 0.0

    def reserve(self, sender: str, calls: int) -> None:
        """Keep room for so many more calls of a sender; for fewer where that is below zero."""
        self._reserved[sender] += calls
        if not self._reserved[sender]:
            del self._reserved[sender]

    def refuse(self, calls: int, seconds: float) -> NoReturn:
        """`seconds`: until there is room. Raises OverloadedError."""
        self._counters.refused.inc(calls)
        self._warning.warn(calls, queued=len(self._queue))
        raise OverloadedError(min(seconds, LONGEST_RETRY_SECONDS))
