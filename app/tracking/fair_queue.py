"""The calls that wait for a commit: a lane for each sender, from which batches are taken in turn.

Within a lane the order is that of arrival. A sender that reports more than others waits behind itself, not they behind
it, and has no more of the memory than leaves room for them. A lane is there only while something is in it.
"""

import math
from collections import OrderedDict, deque
from collections.abc import Iterator

from app.spool.waiting import Waiting

SHARE = 4
"""A sender may have so many times as many calls waiting as others could still have: alone, four fifths of all room."""


class FairQueue:
    """Not for several threads. Who may enter is decided elsewhere: see `admission.py`."""

    def __init__(self) -> None:
        self._lanes: OrderedDict[str, deque[Waiting]] = OrderedDict()
        """In the order of their turns."""
        self.in_vain: deque[Waiting] = deque()
        """Beside the lanes, in the order of arrival: what would be committed too late, if all went on as it does. It is
        committed where a batch has room all the same.
        """
        self.in_hand: set[str] = set()
        """Of whom calls are in the commit that is under way; empty where that is a short one."""
        self.beside: set[str] = set()
        """Of whom calls are in a short commit beside it: their next ones wait for its end."""
        self._calls = 0
        self._taken_of = 0
        self._due = math.inf
        """When the first call in a lane is to be spooled, or some time before that."""

    def __len__(self) -> int:
        return self._calls

    def __iter__(self) -> Iterator[Waiting]:
        return (call for lane in self._lanes.values() for call in lane)

    @property
    def waits(self) -> bool:
        """Whether there is anything for the next batch."""
        return bool(self.in_vain or (self._lanes.keys() - self.beside if self.beside else self._lanes))

    @property
    def senders(self) -> int:
        return len(self._lanes)

    @property
    def senders_lately(self) -> int:
        """Of how many senders calls wait, or did when the last batch was taken."""
        return max(len(self._lanes), self._taken_of)

    @property
    def due(self) -> float:
        """When the first call is to be spooled, or some time before that."""
        return min(self._due, self.in_vain[0].spool_at) if self.in_vain else self._due

    @property
    def since(self) -> float:
        """When the oldest call came; infinite where none waits."""
        return min((calls[0].since for calls in (self.in_vain, *self._lanes.values()) if calls), default=math.inf)

    def of(self, sender: str) -> int:
        """How many calls of this sender wait."""
        lane = self._lanes.get(sender)
        return 0 if lane is None else len(lane)

    def put(self, call: Waiting) -> None:
        lane = self._lanes.get(call.sender)
        if lane is None:
            lane = self._lanes[call.sender] = deque()
        lane.append(call)
        self._calls += 1
        self._due = min(self._due, call.spool_at)

    def take(self, most: int) -> list[Waiting]:
        """The next batch: as many calls of each sender as of any other, as far as they have them. Then the newest of
        those in vain, which may yet be in time.
        """
        self._taken_of = len(self._lanes)
        held = {sender: self._lanes.pop(sender) for sender in self.beside if sender in self._lanes}
        batch: list[Waiting] = []
        while self._lanes and (left := most - len(batch)) > 0:
            share = max(1, left // len(self._lanes))
            for _ in range(min(len(self._lanes), left)):
                sender, lane = self._lanes.popitem(last=False)
                if len(lane) <= share:
                    batch += lane
                else:
                    batch += [lane.popleft() for _ in range(share)]
                    self._lanes[sender] = lane  # its next turn comes after everybody else's
        self._lanes.update(held)
        self._calls -= len(batch)
        while self.in_vain and len(batch) < most:
            batch.append(self.in_vain.pop())
        return batch

    def few(self, most: int) -> list[str]:
        """Senders with no more than so many calls together, of whom none is in the commit that is under way."""
        found: list[str] = []
        if self.in_hand:
            for sender, lane in self._lanes.items():
                if sender not in self.in_hand and len(lane) <= most:
                    most -= len(lane)
                    found.append(sender)
        return found

    def take_few(self, most: int) -> list[Waiting]:
        """All calls of those, for a short commit."""
        self.beside.update(self.few(most))
        calls = [call for sender in self.beside for call in self._lanes.pop(sender)]
        self._calls -= len(calls)
        return calls

    def take_all(self) -> list[Waiting]:
        """Everything, each sender's in order."""
        calls = [*self, *self.in_vain]
        self._lanes.clear()
        self.in_vain.clear()
        self._calls, self._due = 0, math.inf
        return calls

    def take_late(self, now: float) -> list[Waiting]:
        """What is to be spooled by now."""
        late: list[Waiting] = []
        while self.in_vain and self.in_vain[0].spool_at <= now:
            late.append(self.in_vain.popleft())
        return late if now < self._due else late + self._taken_out(now)

    def _taken_out(self, now: float) -> list[Waiting]:
        """Of the lanes."""
        late: list[Waiting] = []
        due = math.inf
        for sender, lane in list(self._lanes.items()):
            kept: deque[Waiting] = deque()
            for call in lane:
                if call.spool_at <= now:
                    late.append(call)
                else:
                    kept.append(call)
                    due = min(due, call.spool_at)
            if kept:
                self._lanes[sender] = kept
            else:
                del self._lanes[sender]
        self._calls -= len(late)
        self._due = due
        return late
