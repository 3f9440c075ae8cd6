"""The calls in memory: anybody puts them in, one sender takes them out.

Whoever reports a call may be anywhere: in a signal handler, or in a `__del__` that the collector runs in the middle of
this very code. So `put` takes no lock: all it does is atomic, or a `SimpleQueue`'s, which is made for that.
"""

from __future__ import annotations

import queue
import time
from collections import deque
from contextlib import suppress
from queue import Empty
from typing import TYPE_CHECKING

from twinmeter.calls import Call
from twinmeter.tally import Tally

if TYPE_CHECKING:
    from queue import SimpleQueue

MOST_CALLS = 10_000
MOST_KILOBYTES = 64_000
"""Of texts, such as prompts that an application reports: calls are small, but these need not be."""
BATCH = 500
"""Rows of a batch."""
LINGER_SECONDS = 0.5
"""How long a batch waits for more calls."""


class Queue:
    """Up to `MOST_CALLS` calls, and `MOST_KILOBYTES` of their texts, those in hand included."""

    def __init__(self) -> None:
        self._calls: deque[Call] = deque()
        self.in_hand: list[Call] = []
        """Taken out, and neither delivered nor given back yet."""
        self._held = 0
        self._texts_in = Tally()
        self._texts_out = 0
        self.too_many = ""
        """What there was too much of when some call had no room."""
        self._bell: SimpleQueue[None] = queue.SimpleQueue()
        self._is_asleep = False
        self._is_hurried = False

    def __len__(self) -> int:
        return len(self._calls) + len(self.in_hand)

    @property
    def is_half_full(self) -> bool:
        return len(self) > MOST_CALLS // 2 or self._kilobytes > MOST_KILOBYTES // 2

    @property
    def _kilobytes(self) -> int:
        return self._texts_in.value - self._texts_out

    @property
    def oldest(self) -> int | None:
        """The number of the oldest call that is here."""
        numbers = [call.number for call in self.in_hand[:1]]
        with suppress(IndexError):
            numbers.append(self._calls[0].number)
        return min(numbers, default=None)

    def put(self, call: Call) -> bool:
        """Take a call in; False where there is no room. Never waits, and may be called anywhere."""
        if len(self._calls) + self._held >= MOST_CALLS:
            self.too_many = f"{MOST_CALLS:,} calls"
            return False
        if call.kilobytes:
            if self._kilobytes + call.kilobytes > MOST_KILOBYTES:
                self.too_many = f"{MOST_KILOBYTES // 1_000:,} MB of texts"
                return False
            self._texts_in.grow(call.kilobytes)
        self._calls.append(call)
        if self._is_asleep or len(self._calls) == BATCH:
            self._is_asleep = False
            self._bell.put(None)
        return True

    def listen(self) -> None:
        """Who takes calls out begins, in its own thread.

        The bell is made anew: gevent may have replaced threads since, and one of before would hold up all of them.
        """
        self._bell = queue.SimpleQueue()

    def hurry(self) -> None:
        """Let the next batch go without waiting for more calls."""
        self._is_hurried = True
        self._bell.put(None)

    def rest(self, seconds: float | None) -> None:
        """Wait until something is put in, somebody is in a hurry, or so many seconds are over."""
        self._is_asleep = True
        if not self._calls and not self._is_hurried:
            self._ring(seconds)
        self._is_asleep = False
        if not self._calls:
            self._is_hurried = False

    def gather(self) -> None:
        """Wait for a full batch, until `LINGER_SECONDS` are over or somebody is in a hurry."""
        until = time.monotonic() + LINGER_SECONDS
        while len(self._calls) < BATCH and not self._is_hurried and (left := until - time.monotonic()) > 0:
            self._ring(left)
        self._is_hurried = False

    def pause(self, seconds: float) -> None:
        """Wait so long, or until somebody rings."""
        self._ring(seconds)

    def take(self, most: int = BATCH) -> list[Call]:
        """The oldest calls, which are in hand from now on. Only the sender takes."""
        for _ in range(min(most, len(self._calls))):
            # in hand before it is out: a flush that looks in between must not miss it
            self.in_hand.append(self._calls[0])
            self._calls.popleft()
        self._held = len(self.in_hand)
        return list(self.in_hand)

    def settle(self, again: list[Call]) -> None:
        """Nothing is in hand any more. `again` are put back in front."""
        self._held = 0
        self._texts_out += sum(call.kilobytes for call in self.in_hand) - sum(call.kilobytes for call in again)
        self._calls.extendleft(reversed(again))
        self.in_hand = []

    def drain(self) -> list[Call]:
        """All calls, those in hand included, which stay there. Any thread may do so."""
        calls = list(self.in_hand)
        try:
            while True:
                calls.append(self._calls.popleft())
        except IndexError:
            return calls

    def _ring(self, seconds: float | None) -> None:
        try:
            self._bell.get(timeout=seconds)
            while True:
                self._bell.get_nowait()
        except Empty:
            pass
