"""A writer over a MongoDB and a disk that take the time they are told to, for tests in virtual time."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from bson import ObjectId

from app.ledger.ledger import LedgerUnavailableError
from app.ledger.outcomes import Outcome, ReceiptStatus
from app.ledger.twins import IdMint, Pair
from app.observability.metrics import Counters
from app.observability.troubles import Troubles
from app.spool.breaker import Breaker
from app.spool.journal import Spool
from app.spool.spooler import Spooler
from app.tracking.writer import Writer
from tests.tracking.virtual_time import clock

Result = TypeVar("Result")
COMMITTED = Outcome(ReceiptStatus.COMMITTED)
DEADLINE = 0.25


MINT = IdMint()


def a_pair(id_: ObjectId | None = None) -> Pair:
    """Of a call without a request id, where no other id is given."""
    id_ = id_ or MINT.fresh(datetime.now(UTC))
    return Pair(id_, {"_id": id_, "costSource": "reported"}, {"_id": id_}, stamped=True)


class MongoDB:
    """A commit takes `fixed` seconds and `each` more for each call; while it is frozen, all that it is given."""

    def __init__(self, *, fixed: float = 0.004, each: float = 0.0001) -> None:
        self.fixed, self.each = fixed, each
        self.there = asyncio.Event()
        self.there.set()
        self.batches: list[list[ObjectId]] = []
        self.stored: dict[ObjectId, int] = {}
        """How often each was committed for the first time."""
        self.asked = 0

    async def commit(self, pairs: Sequence[Pair], *, seconds: float, again: bool = False) -> list[Outcome]:
        self.batches.append([pair.id for pair in pairs])
        try:
            async with asyncio.timeout(seconds):
                await self.there.wait()
                await asyncio.sleep(self.fixed + self.each * len(pairs))
                await self.there.wait()
        except TimeoutError as error:
            raise LedgerUnavailableError("too slow", slow=True) from error
        outcomes = [self._outcome(pair, again=again) for pair in pairs]
        self.stored.update({pair.id: 1 for pair in pairs})
        return outcomes

    def _outcome(self, pair: Pair, *, again: bool) -> Outcome:
        return COMMITTED if again or pair.id not in self.stored else Outcome.duplicate(pair, pair.entry)

    async def answers(self) -> bool:
        self.asked += 1
        try:
            async with asyncio.timeout(1):
                await self.there.wait()
        except TimeoutError:
            return False
        return True


class Disk(Spooler):
    """Writing a group takes `fixed` seconds and `each` more for each call."""

    fixed, each = 0.005, 0.00003
    late = 0.0
    """How much later the event loop comes to its answer."""
    groups: list[int]
    works: asyncio.Event

    async def do(self, work: Callable[[Spool], Result]) -> Result:
        await self.works.wait()
        if self._group:
            self.groups.append(len(self._group))
            await asyncio.sleep(self.fixed + self.each * len(self._group))
        result = work(self._spool)
        await asyncio.sleep(self.late)
        return result


class Simulated:
    """What a test looks at."""

    def __init__(self, writer: Writer, mongodb: MongoDB, disk: Disk, counters: Counters) -> None:
        self.writer, self.mongodb, self.disk, self.counters = writer, mongodb, disk, counters
        self.statuses: Counter[str] = Counter()
        self.waits: list[float] = []

    async def report(self, sender: str = "", within: float | None = None, pair: Pair | None = None) -> Outcome:
        """Report one call and wait for its outcome."""
        came = clock().now
        outcome = await self.writer.write(pair or a_pair(), "function", sender, within)
        self.waits.append(clock().now - came)
        self.statuses[outcome.status] += 1
        return outcome

    async def callers(self, count: int, calls: int, *, work: float = 0.00005) -> float:
        """So many callers report so many calls, one after the other; each takes the interpreter `work` seconds.

        Returns the calls per second that were committed.
        """
        left = iter(range(calls))

        async def caller() -> None:
            for _ in left:
                came = clock().now
                clock().work(work)
                outcome = await self.writer.write(a_pair(), "function")
                self.waits.append(clock().now - came)
                self.statuses[outcome.status] += 1

        began = clock().now
        await asyncio.gather(*(caller() for _ in range(count)))
        return self.statuses["committed"] / (clock().now - began)


@asynccontextmanager
async def simulated(folder: Path, **options: Any) -> AsyncIterator[Simulated]:
    """A writer in virtual time; `options` are those of `MongoDB`."""
    counters, troubles, mongodb = Counters(), Troubles(), MongoDB(**options)
    disk = Disk(Spool(folder / "spool.sqlite3", 10**9), counters, troubles)
    disk.groups, disk.works = [], asyncio.Event()
    disk.works.set()
    writer = Writer(
        mongodb,  # type: ignore[arg-type]
        mongodb,  # type: ignore[arg-type]
        disk,
        Breaker(),
        answers=mongodb.answers,
        is_fresh=MINT.has_made,
        deadline=timedelta(seconds=DEADLINE),
        counters=counters,
        troubles=troubles,
    )
    writer.start()
    try:
        yield Simulated(writer, mongodb, disk, counters)
    finally:
        mongodb.there.set()
        disk.works.set()
        await writer.drain()
        await writer.close()
