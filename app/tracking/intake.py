"""How a request with many calls enters: room is kept for them before its body is read, and of each sender one body at
a time is decoded. A flood of one is then felt by others as one request is, and not as all that are in hand.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple
from weakref import WeakValueDictionary

from cachetools import LRUCache

from app.tracking.admission import Admission

USUAL_BYTES = 1_000
"""Of a call in a body of which nothing is known: more than most have, for who sends little is not to be refused."""
MOST_KINDS = 1_000
SHORTEST_SECONDS = 0.25
"""What calls need from their queue to the disk: it takes that long to be put there."""


class Kind(NamedTuple):
    """Bodies that are alike: of one sender, at one door, in one encoding."""

    sender: str
    door: str
    encoding: str = ""


class Intake:
    """Of one process; for its event loop only."""

    def __init__(self, admission: Admission, loop: asyncio.AbstractEventLoop) -> None:
        self._admission = admission
        self._loop = loop
        self._bytes: LRUCache[Kind, float] = LRUCache(MOST_KINDS)
        """Of a call, as the last bodies of a kind had it."""
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """Of senders that have requests in hand."""

    @contextmanager
    def place(self, kind: Kind, size: int | None, within: float, most: int | None = None) -> Iterator["Place"]:
        """Keep room for what a body of so many bytes should hold, until the block ends or its calls have queued; for
        one call where the size is not known, and for no more than `most`.

        Raises OverloadedError where they would not be committed within so many seconds. Those begin when the body has
        come: how long that takes is up to its sender, and no reason to tell them that the outcome is not known.
        """
        turn = self._turns.setdefault(kind.sender, asyncio.Lock())
        place = Place(self._admission, self._loop, turn, kind.sender, within)
        expected = 1 if size is None else max(1, int(size / self._bytes.get(kind, USUAL_BYTES)))
        place.keep(expected if most is None else min(expected, most))
        try:
            yield place
        finally:
            place.leave()
            if size and place.calls is not None:
                found = size / max(1, place.calls)
                self._bytes[kind] = (self._bytes.get(kind, found) + found) / 2


class Place:
    """Where the calls of one request stand."""

    def __init__(
        self, admission: Admission, loop: asyncio.AbstractEventLoop, turn: asyncio.Lock, sender: str, within: float
    ) -> None:
        self.sender = sender
        self.calls: int | None = None
        """How many they are, once that is known."""
        self._admission = admission
        self._loop = loop
        self._within = within
        self._until = loop.time() + within
        self._turn = turn
        self._has_turn = False
        self._kept = 0

    @property
    def seconds(self) -> float:
        """How much longer the sender waits, and in any case as long as their calls need: to read them took its time."""
        return max(self._until - self._loop.time(), SHORTEST_SECONDS)

    async def turn(self) -> None:
        """The body has come: from now on its sender waits. Wait until no other request of theirs is being decoded.

        Raises OverloadedError when it is too late.
        """
        self._until = self._loop.time() + self._within
        try:
            async with asyncio.timeout_at(self._until - SHORTEST_SECONDS if self._turn.locked() else None):
                await self._turn.acquire()
        except TimeoutError:
            self._admission.refuse(self._kept, self._admission.seconds(self.sender))
        self._has_turn = True

    def has(self, calls: int) -> None:
        """So many they are. Raises OverloadedError where there is no room for those that were not expected."""
        self.calls = calls
        self.keep(calls)

    def keep(self, calls: int) -> None:
        """Room for so many, instead of what is kept now."""
        if calls > self._kept:
            self._admission.admit(self.sender, calls - self._kept, self._within)
        self._admission.reserve(self.sender, calls - self._kept)
        self._kept = calls

    def enters(self) -> None:
        """One of them queues now."""
        self._admission.reserve(self.sender, -1)
        self._kept -= 1

    def leave(self) -> None:
        """All have queued, or none will: let the next request of the sender have its turn."""
        if self._kept:
            self._admission.reserve(self.sender, -self._kept)
            self._kept = 0
        if self._has_turn:
            self._has_turn = False
            self._turn.release()
