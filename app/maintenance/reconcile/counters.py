"""Compares what limits have counted with a recount of the ledger, and what they hold with what is open.

Counters are read some hundred at a time, each time with the ledger, reservations and leases as of the same moment, so
that writers, folds and callers who reserve do not matter. Where retention has deleted calls of a counter's period, only
the counter knows of them: it is left alone.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from pymongo.client_session import ClientSession

from app.database import Database
from app.database.updates import apply_updates
from app.limits.counting.counters import Counters
from app.limits.counting.recount import Pending, Recounted, recounted
from app.limits.holding import exact, removal
from app.limits.meters import stored_amount
from app.limits.periods import first_moment
from app.maintenance.reconcile.days import Difference
from app.rollups.state import STATE_KEY
from models.counters import COUNTERS, FOLD, LEASES, RESERVATIONS, STATE, UNCOUNTED
from models.documents import Document
from models.limits import Unit
from models.rollups import STATE as ROLLUP_STATE

AT_ONCE = 300
COUNTER = "counter"
HELD = "held"
"""It is not the sum of the holds."""
HOLD = "hold"
"""It is of nobody: no reservation and no process knows of it."""
UNHELD = "reservation"
"""It is open, and a counter has no hold for it."""
STUCK = "fold"
LATE = timedelta(minutes=1)
"""Calls are counted within a second, holds taken within seconds."""


class _Read(NamedTuple):
    """Some counters, and what is said of them, as of one moment."""

    counted: list[Recounted]
    reservations: dict[str, Document]
    owners: set[str]
    pending: Pending


class CounterCheck:
    """The check of all counters, or of some."""

    def __init__(self, database: Database, zone: ZoneInfo) -> None:
        self._database = database
        self._zone = zone
        self._counters = Counters(database)

    async def differences(self) -> list[Difference]:
        """Of every counter, of the reservations without a hold, and of the fold. Raises PyMongoError."""
        found = [each async for ids in self._pages() for each in await self.of(ids)]
        return [*found, *await self.without_holds(), *await self.stuck()]

    async def of(self, ids: Sequence[str]) -> list[Difference]:
        """Of these counters. Raises PyMongoError."""
        read = await self._read(ids)
        return [each for one in read.counted for each in _differences(one, read)]

    async def sample(self, count: int) -> tuple[list[Difference], int]:
        """Of so many counters, chosen at random, and how many there were. Raises PyMongoError."""
        found = self._database.writes[COUNTERS].aggregate([{"$sample": {"size": count}}, {"$project": {"_id": 1}}])
        ids = list({each["_id"]: None async for each in found})
        pages = [ids[first : first + AT_ONCE] for first in range(0, len(ids), AT_ONCE)]
        return [each for page in pages for each in await self.of(page)], len(ids)

    async def repair(self) -> None:
        """Let every counter say what a recount says, and hold what is open. Raises PyMongoError."""
        async for ids in self._pages():
            if await self.of(ids):
                await self._mend(ids)

    async def without_holds(self) -> list[Difference]:
        """Open reservations that no counter holds anything for. They end by themselves."""
        now = datetime.now(UTC)
        condition = {"state": "open", "ending": {"$exists": False}, "createdAt": {"$lt": now - LATE}}
        lacking: Document = {
            "$lookup": {
                "from": COUNTERS,
                "let": {"of": "$_id", "named": "$holds.counter"},
                "pipeline": [
                    {"$match": {"$expr": {"$in": ["$_id", "$$named"]}}},
                    {"$project": {"holds": {"$objectToArray": "$holds"}}},
                    {"$match": {"$expr": {"$not": {"$in": ["$$of", "$holds.k"]}}}},
                    {"$project": {"_id": 1}},
                ],
                "as": "lacking",
            }
        }
        pipeline = [{"$match": condition}, lacking, {"$match": {"lacking": {"$ne": []}}}]
        async with self._database.snapshot() as session:
            found = await self._database.writes[RESERVATIONS].aggregate(pipeline, session=session).to_list(None)
        return [
            Difference(
                UNHELD, "", each["_id"], f"open without a hold in {each['lacking'][0]['_id']}; it ends at its time"
            )
            for each in found
        ]

    async def stuck(self) -> list[Difference]:
        """Calls that wait to be counted for too long."""
        now = datetime.now(UTC)
        oldest = await self._database.writes[UNCOUNTED].find_one({}, {"at": 1}, sort=[("_id", 1)])
        if oldest is None or now - oldest["at"] < LATE:
            return []
        waiting = await self._database.writes[UNCOUNTED].count_documents({})
        said = f"{waiting} transactions wait to be counted, the oldest since {oldest['at']:%Y-%m-%d %H:%M:%S}"
        return [Difference(STUCK, "", FOLD, said)]

    async def _read(self, ids: Sequence[str]) -> _Read:
        where = {"_id": {"$in": list(ids)}, "counting": {"$exists": False}}
        blocking = self._database.blocking

        def read() -> _Read:
            with blocking.client.start_session(snapshot=True) as session:
                state = blocking[ROLLUP_STATE].find_one(STATE_KEY, session=session) or {}
                counted = recounted(blocking, session, where)
                return _Read(
                    [each for each in counted if self._is_whole(each.stored, state)], *_said(blocking, session, counted)
                )

        return await asyncio.to_thread(read)

    def _is_whole(self, counter: Document, state: Document) -> bool:
        """Whether the ledger has all calls of its period."""
        if "wholeFrom" not in state:
            return True
        start: datetime = counter["start"]
        return start >= first_moment(date.fromisoformat(state["wholeFrom"]), self._zone)

    async def _mend(self, ids: Sequence[str]) -> None:
        read = await self._read(ids)
        whole = [each.stored["_id"] for each in read.counted if each.difference]
        if whole:
            await asyncio.to_thread(self._counters.mend, {"_id": {"$in": whole}})
        holds = {one.stored["_id"]: orphans for one in read.counted if (orphans := _orphans(one, read))}
        updates = [removal(counter, orphans) for counter, orphans in holds.items()]
        updates += [_summed(one) for one in read.counted if _held(one) is not None]
        await apply_updates(self._database, COUNTERS, updates, None)

    async def _pages(self) -> AsyncIterator[list[str]]:
        """The ids of all counters."""
        after = ""
        while found := await self._ids(after):
            yield found
            after = found[-1]

    async def _ids(self, after: str) -> list[str]:
        found = self._database.writes[COUNTERS].find({"_id": {"$gt": after}}, {"_id": 1})
        return [each["_id"] for each in await found.sort("_id", 1).limit(AT_ONCE).to_list(None)]


def _said(
    blocking: Any, session: ClientSession, counted: Iterable[Recounted]
) -> tuple[dict[str, Document], set[str], Pending]:
    """Of whom the holds are, and what waits to be counted."""
    ids = sorted({id_ for each in counted for id_ in each.stored["holds"]})
    reservations = {each["_id"]: each for each in blocking[RESERVATIONS].find({"_id": {"$in": ids}}, session=session)}
    owners = {each["_id"] for each in blocking[LEASES].find({"_id": {"$in": ids}}, {"_id": 1}, session=session)}
    state = blocking[STATE].find_one({"_id": FOLD}, session=session)
    return reservations, owners, Pending(state, blocking[UNCOUNTED].find({}, session=session))


def _differences(one: Recounted, read: _Read) -> list[Difference]:
    counter, day = one.stored, one.stored["start"].date().isoformat()
    found = []
    if one.difference:
        said = f"{_shown(counter['used'])} used, not {_shown(stored_amount(one.key.meter.unit, one.used))}"
        found.append(Difference(COUNTER, day, counter["_id"], said))
    if (sum_ := _held(one)) is not None:
        said = f"{_shown(counter['held'])} held, and the holds sum to {sum_}"
        found.append(Difference(HELD, day, counter["_id"], said))
    if orphans := _orphans(one, read):
        said = f"{len(orphans)} holds that no open reservation and no process has: {', '.join(orphans[:3])}"
        found.append(Difference(HOLD, day, counter["_id"], said))
    return found


def _held(one: Recounted) -> Decimal | None:
    """What the holds sum to, where that is not what is held."""
    sum_ = sum((exact(hold["amount"]) for hold in one.stored["holds"].values()), Decimal(0))
    return None if sum_ == exact(one.stored["held"]) else sum_


def _orphans(one: Recounted, read: _Read) -> list[str]:
    settled = set(read.pending.settled(one.stored["fold"]))
    return [id_ for id_ in one.stored["holds"] if id_ not in read.owners and not _is_open(id_, settled, read)]


def _is_open(id_: str, settled: set[str], read: _Read) -> bool:
    """Also where its call is recorded, and the next fold will take it out."""
    reservation = read.reservations.get(id_)
    return id_ in settled or (reservation is not None and reservation["state"] == "open")


def _summed(one: Recounted) -> Document:
    """Let it hold what its holds sum to, at that moment."""
    zero = stored_amount(Unit(one.stored["unit"]), 0)
    amounts = {"$map": {"input": {"$objectToArray": "$holds"}, "in": "$$this.v.amount"}}
    return {"q": {"_id": one.stored["_id"]}, "u": [{"$set": {"held": {"$add": [zero, {"$sum": amounts}]}}}]}


def _shown(number: Any) -> str:
    return f"{exact(number).normalize():f}"
