"""How a request with many calls enters: room is kept for them before its body is read, and of each sender one body at
a time is decoded. A flood of one is then felt by others as one request is, and not as all that are in hand.

A body is decoded when what its sender has queued already is nearly committed. Until then nothing of it is stored, and
where its calls would be late it is refused, to come again: only what was queued and MongoDB then keeps waiting goes to
the spool. Who comes again as they were told has more of the room than others, and so is not refused for ever.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, NoReturn

from cachetools import LRUCache, TTLCache

from app.errors import OverloadedError
from app.tracking.admission import LEEWAY, LONGEST_RETRY_SECONDS, Admission, seconds_to_commit

USUAL_BYTES = 1_000
"""Of a call in a body of which nothing is known: more than most have, for who sends little is not to be refused."""
MOST_KINDS = 1_000
SHORTEST_SECONDS = 0.25
"""What calls need from their queue to the disk: it takes that long to be put there."""
AHEAD_SECONDS = 0.5
"""How far the calls of a sender queue ahead of their commit: enough that the next batch is there when one is done."""
LOOK_SECONDS = 0.01
"""How long at least until that is looked at again."""
LEEWAY_AGAIN = 0.9
"""The share of a deadline that those may take who come again as they were told: see `LEEWAY`."""
LEEWAY_BEFORE = 0.3
"""That of others meanwhile."""
MOST_ALIKE, MOST_TOLD = 64, 640_000
"""Bodies of one kind and size, and calls of a sender, of which is known that they come again."""


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
        self._lines: LRUCache[str, Line] = LRUCache(MOST_KINDS)
        """By sender."""

    @contextmanager
    def place(self, kind: Kind, size: int | None, within: float, most: int | None = None) -> Iterator["Place"]:
        """Keep room for what a body of so many bytes should hold, until the block ends or its calls have queued; for
        one call where the size is not known, and for no more than `most`.

        Raises OverloadedError where they would not be committed within so many seconds. Those begin when the body has
        come: how long that takes is up to its sender, and no reason to tell them that the outcome is not known.
        """
        line = self._lines.setdefault(kind.sender, Line(self._loop))
        leeway = LEEWAY_AGAIN if line.comes_again(kind, size) else LEEWAY_BEFORE if line.awaits else LEEWAY
        place = Place(self._admission, self._loop, line, kind.sender, within, leeway)
        expected = 1 if size is None else max(1, int(size / self._bytes.get(kind, USUAL_BYTES)))
        expected = expected if most is None else min(expected, most)
        try:
            place.keep(expected)
            yield place
        except OverloadedError as error:
            seconds = error.retry_after + line.comes_later(kind, size, expected)
            raise OverloadedError(min(seconds, LONGEST_RETRY_SECONDS)) from None
        finally:
            place.leave()
            if size and place.calls is not None:
                found = size / max(1, place.calls)
                self._bytes[kind] = (self._bytes.get(kind, found) + found) / 2


class Line:
    """Bodies of one sender: one is decoded at a time, and others were told to come again."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.turn = asyncio.Lock()
        self.each = 0.0
        """Seconds for which a call of the last bodies had its turn."""
        self._told: TTLCache[tuple[Kind, int | None], tuple[int, ...]] = TTLCache(
            MOST_TOLD, LONGEST_RETRY_SECONDS, loop.time, sum
        )
        """Calls of those who were told to come again and have not, by what their bodies are then known by."""

    def note(self, calls: int, seconds: float) -> None:
        """So many calls have been decoded and queued."""
        self.each = (self.each + seconds / calls) / 2 if self.each else seconds / calls

    @property
    def awaits(self) -> bool:
        """Whether anyone was told to come again lately, and has not."""
        return self._told.currsize > 0

    def comes_later(self, kind: Kind, size: int | None, calls: int) -> float:
        """Such a body is told to come again. In how many seconds all will have been decoded who were told so before."""
        self._told.expire()
        seconds = self._told.currsize * self.each
        self._told[kind, size] = (calls, *self._told.get((kind, size), ()))[:MOST_ALIKE]
        return seconds

    def comes_again(self, kind: Kind, size: int | None) -> bool:
        """Whether such a body was told to; each counts once."""
        if not (told := self._told.pop((kind, size), ())):
            return False
        if more := told[1:]:
            self._told[kind, size] = more
        return True


class Place:
    """Where the calls of one request stand."""

    def __init__(  # noqa: PLR0917
        self,
        admission: Admission,
        loop: asyncio.AbstractEventLoop,
        line: Line,
        sender: str,
        within: float,
        leeway: float,
    ) -> None:
        self.sender = sender
        self.calls: int | None = None
        """How many they are, once that is known."""
        self._admission = admission
        self._loop = loop
        self._within = within
        self._until = loop.time() + within
        self._leeway = leeway
        self._line = line
        self._since: float | None = None
        """When it had its turn; None before and after that."""
        self._kept = 0

    @property
    def seconds(self) -> float:
        """How much longer the sender waits, and in any case as long as their calls need: to read them took its time."""
        return max(self._until - self._loop.time(), SHORTEST_SECONDS)

    async def turn(self) -> None:
        """The body has come: from now on its sender waits. Wait until no other request of theirs is being decoded, and
        what they have queued is nearly committed.

        Raises OverloadedError when it is too late: then nothing of it is stored.
        """
        came = self._loop.time()
        self._until = came + self._within
        spooled_at = came + seconds_to_commit(self._within)
        lock = self._line.turn
        try:
            async with asyncio.timeout_at(spooled_at if lock.locked() else None):
                await lock.acquire()
        except TimeoutError:
            self._too_late()
        self._since = self._loop.time()
        while (ahead := self._admission.ahead_of(self.sender)) > AHEAD_SECONDS:
            if self._loop.time() + ahead > spooled_at:
                self._too_late()
            await asyncio.sleep(max(ahead - AHEAD_SECONDS, LOOK_SECONDS))
        # who has not waited is tried in any case
        if (now := self._loop.time()) > came and now + self._admission.ahead_of(self.sender, self._kept) > spooled_at:
            self._too_late()

    def _too_late(self) -> NoReturn:
        self._admission.refuse(self._kept, self._admission.ahead_of(self.sender))

    def has(self, calls: int) -> None:
        """So many they are. Raises OverloadedError where there is no room for those that were not expected."""
        self.calls = calls
        self.keep(calls)

    def keep(self, calls: int) -> None:
        """Room for so many, instead of what is kept now."""
        if (more := calls - self._kept) > 0:
            turns = self._line.each * (self._admission.reserved(self.sender) + more)
            self._admission.admit_body(self.sender, more, self._within, self._leeway, turns)
        self._admission.reserve(self.sender, more)
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
        if self._since is not None:
            if self.calls:
                self._line.note(self.calls, self._loop.time() - self._since)
            self._since = None
            self._line.turn.release()
