"""What comes due of subscriptions without Stripe is booked: their own price, or their plan's, period by period.

It comes due from the first start of a release that books it on, never for past periods. Whoever reads figures has it
booked first; where nobody reads, one process of a deployment does it twice a minute. Entries have ids that follow from
their subscription and moment, so that none is booked twice, whichever processes do it.
"""

import asyncio
import heapq
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pymongo
from pymongo.errors import PyMongoError

from app.database import Database
from app.database.connection import VERSIONS
from app.database.following import follow
from app.database.outages import answering
from app.finance.revenue.book import BookedStatus, RevenueBook
from app.finance.revenue.charges import charges, next_due
from app.limits.stored_definitions import StoredDefinitions, read
from app.observability.logs import Log
from app.observability.troubles import Code, Troubles
from app.process import background, in_turns
from app.rollups.lease import Lease
from models.documents import Document
from models.moments import in_milliseconds
from models.plans import SUBSCRIPTIONS, PlanVersion, Subscription
from models.revenue import REVENUE, STATE, NewRevenue, RevenueKind, RevenueSource

log = Log(__name__)

EVERY_SECONDS = 30.0
LEASE_SECONDS = 75
"""Where the process that books is killed, another one does after so long."""
SECONDS = 5.0
"""For each step of it: a thousand subscriptions that come due at once may take longer."""
CHUNK = 100
"""Subscriptions that are booked together: so many hold the loop for some 20 ms."""
MOST_CHANGED = 1_000
"""Changed documents from which on all subscriptions are looked at again."""
MARGIN = timedelta(days=1)
"""So far back it is looked again: a change is seen some time after its moment."""
NOTED_AFTER = timedelta(hours=1)
BOOKED_BY = "subscriptions"


class Due:
    """Of one process, on its event loop."""

    def __init__(self, database: Database, book: RevenueBook, troubles: Troubles) -> None:
        self._database, self._book, self._troubles = database, book, troubles
        self._subscriptions, self._versions = database.writes[SUBSCRIPTIONS], database.writes[VERSIONS]
        self._definitions = StoredDefinitions(database)
        self._lease = Lease(database, None, name="due", seconds=LEASE_SECONDS)
        self._turn = asyncio.Lock()
        self._known: int | None = None
        """The version of the definitions that is known."""
        self._rates = 0
        self._plans: Mapping[tuple[str, int], PlanVersion] = {}
        self._next: dict[str, datetime] = {}
        """When something comes due next, by the id of the subscription."""
        self._queue: list[tuple[datetime, str]] = []
        """The same as a heap; what `_next` says otherwise is stale."""
        self._until: datetime | None = None
        """All up to here was looked for."""
        self._noted: datetime | None = None
        self.refused: dict[str, str] = {}
        """Why something that came due is not booked, by the id of its subscription: a currency without a rate."""
        self._refused_since: dict[str, datetime] = {}

    async def run(self) -> None:
        """Book until cancelled, if no other process does."""
        try:
            await follow(self._look, what="revenue_due", every=EVERY_SECONDS)
        finally:
            with suppress(PyMongoError), pymongo.timeout(1):
                await self._lease.release()

    async def _look(self) -> None:
        if await self._lease.acquire():
            await self.book_due(datetime.now(UTC))

    async def book_due(self, now: datetime) -> int:
        """Book all that came due up to a moment; how many entries. Before figures are read it is called by who reads
        them. Raises DatabaseUnavailableError.
        """
        async with self._turn:
            now = in_milliseconds(now)
            with answering(SECONDS):
                await self._learn(now)
            booked = await self._book_all(now)
            self._until = now
            self._troubles.show(Code.REVENUE, len(self.refused), "what came due of subscriptions cannot be booked")
            with answering(SECONDS):
                await self._note(now, booked)
        return booked

    async def _learn(self, now: datetime) -> None:
        """Know what has changed of subscriptions, plans and rates."""
        state = await self._versions.find_one(STATE) or {}
        if state.get("rates", 0) != self._rates:
            self._rates = state.get("rates", 0)
            for id_, at in self._refused_since.items():
                self._schedule(id_, at)
            self.refused.clear()
            self._refused_since.clear()
        version = await self._definitions.version()
        if version == self._known:
            return
        since: datetime = state.get("dueSince", now)
        looked = self._until if self._until is not None else state.get("dueUntil", since)
        wanted: Document = {}
        if (
            self._known is not None
            and (changed := await self._definitions.changed(self._known, MOST_CHANGED)) is not None
        ):
            wanted = {"subject": {"$in": sorted(changed.subjects)}}
            if changed.plans:
                self._plans = await self._definitions.plans()
        else:
            self._plans = await self._definitions.plans()
            self._next.clear()
        after = max(since, looked - MARGIN)
        async for one in self._found({**wanted, "$or": [{"endedAt": None}, {"endedAt": {"$gt": after}}]}):
            self._plan_next(one, after)
        self._known = version

    async def _book_all(self, now: datetime) -> int:
        booked = 0
        while due := self._due(now):
            try:
                booked += await self._book_of(due, now)
            except BaseException:
                for id_, at in due.items():
                    self._schedule(id_, at)
                raise
        return booked

    def _due(self, now: datetime) -> dict[str, datetime]:
        """Some of which something has come due: since when, by id."""
        due: dict[str, datetime] = {}
        while self._queue and self._queue[0][0] <= now and len(due) < CHUNK:
            at, id_ = heapq.heappop(self._queue)
            if self._next.get(id_) == at:
                del self._next[id_]
                due[id_] = at
        return due

    async def _book_of(self, due: Mapping[str, datetime], now: datetime) -> int:
        with answering(SECONDS):
            subscriptions = [one async for one in self._found({"_id": {"$in": list(due)}})]
            paid = await self._paid_otherwise(due)
        entries: list[NewRevenue] = []
        async for one in in_turns(subscriptions):
            if one.stripe_subscription_id is None:
                came = charges(one, self._version_of, since=due[one.id], until=now)
                entries += [entry for entry in came if not _is_paid(entry, paid.get(one.id, ()))]
            self._plan_next(one, now + timedelta(milliseconds=1))
        return await self._book_entries(entries)

    async def _book_entries(self, entries: Sequence[NewRevenue]) -> int:
        booked = 0
        for start in range(0, len(entries), CHUNK):
            some = entries[start : start + CHUNK]
            receipts = await self._book.book(some, client=None, by=BOOKED_BY)
            for entry, receipt in zip(some, receipts, strict=True):
                booked += receipt.status is BookedStatus.BOOKED
                if receipt.status is BookedStatus.REFUSED:
                    self._refuse(entry, receipt.message or "")
        return booked

    def _refuse(self, entry: NewRevenue, why: str) -> None:
        id_ = entry.subscription_id or ""
        if self.refused.get(id_) != why:
            log.warning("revenue.not_booked", subscription=id_, at=entry.at.isoformat(), reason=why)
        self.refused[id_] = why
        self._refused_since[id_] = min(entry.at, self._refused_since.get(id_, entry.at))

    async def _note(self, now: datetime, booked: int) -> None:
        """So that the next process need not look further back."""
        until = min([now, *self._refused_since.values()])
        if booked or self._noted is None or until - self._noted >= NOTED_AFTER:
            await self._versions.update_one(STATE, {"$max": {"dueUntil": until}})
            self._noted = until

    def _plan_next(self, one: Subscription, since: datetime) -> None:
        """Know when something comes due of it from a moment on."""
        at = None if one.stripe_subscription_id is not None else next_due(one, since - timedelta(milliseconds=1))
        if at is None:
            self._next.pop(one.id, None)
        else:
            self._schedule(one.id, at)

    def _schedule(self, id_: str, at: datetime) -> None:
        self._next[id_] = at
        heapq.heappush(self._queue, (at, id_))

    def _version_of(self, plan: str, version: int) -> PlanVersion | None:
        return self._plans.get((plan, version))

    async def _found(self, condition: Document) -> Any:
        cursor = self._subscriptions.find(condition, batch_size=CHUNK)
        while stored := await cursor.to_list(CHUNK):
            async for each in in_turns(stored):
                if (one := read(Subscription, each)) is not None:
                    yield one

    async def _paid_otherwise(self, ids: Iterable[str]) -> dict[str, list[Document]]:
        """What was paid of these subscriptions by entries of other sources."""
        chosen = {
            "subscriptionId": {"$in": list(ids)},
            "kind": RevenueKind.SUBSCRIPTION.value,
            "source": {"$ne": RevenueSource.SUBSCRIPTION.value},
        }
        paid: dict[str, list[Document]] = {}
        async for one in self._database.writes[REVENUE].find(chosen, {"subscriptionId": 1, "start": 1, "end": 1}):
            paid.setdefault(one["subscriptionId"], []).append(one)
        return paid


def _is_paid(entry: NewRevenue, otherwise: Iterable[Document]) -> bool:
    """Whether somebody has booked it otherwise: nothing counts twice."""
    return any(one["start"] < entry.end and entry.start < one["end"] for one in otherwise)


@asynccontextmanager
async def open_due(database: Database, zone: ZoneInfo, troubles: Troubles) -> AsyncIterator[Due]:
    """Of one process: it books in the background for the length of a block."""
    due = Due(database, RevenueBook(database, zone), troubles)
    async with background(due.run(), "revenue_due"):
        yield due
