"""Revenue and subscriptions in memory, brought up to the very snapshot in which cost is read.

Each process keeps its own. What is stored only grows, and says how far: entries by their sequence, subscriptions by the
version of the definitions with which they changed last. So each answer reads what is new since the last one, often
nothing, and all of it only where something was rewritten: by an erasure, or a purge.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

from app.database import Database
from app.database.connection import VERSIONS
from app.errors import DamagedDataError
from app.finance.figures.known_revenue import SHOWN, Entries
from app.finance.figures.known_subscribers import Subscribers
from app.finance.figures.recognised import Recognised
from app.finance.figures.recurring import RecurringFigures
from app.finance.revenue.rates import KnownRates
from app.limits.stored_definitions import read as read_shape
from app.reports.queries.stages import Stage
from app.reports.reader import Document, Documents, Reader, first, reading
from models.counters import DEFINITIONS
from models.counters import STATE as DEFINITIONS_STATE
from models.plans import PLANS, SUBSCRIPTIONS, PlanVersion, Subscription
from models.revenue import RATES, REVENUE, STATE, CurrencyRate

AT_ONCE = 1_000
SUBSCRIPTIONS_AT_ONCE = 250


class View(NamedTuple):
    """Revenue and subscriptions as one snapshot has them."""

    entries: Entries
    booked: int
    """Entries that the snapshot has: the first so many."""
    recognised: Recognised
    subscribers: Subscribers
    recurring: RecurringFigures
    rates: KnownRates


class _Revenue(NamedTuple):
    rewritten: int
    entries: Entries
    recognised: Recognised


class _Rates(NamedTuple):
    changes: int
    known: KnownRates


class Known:
    """What one process knows."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = asyncio.Lock()
        self._revenue = _empty(0)
        self._rates = _Rates(-1, KnownRates(()))
        self._plans: dict[tuple[str, int], PlanVersion] = {}
        self._subscribers = Subscribers(-1, {}, {})
        self._recurring = RecurringFigures(self._subscribers, self._rates.known)

    async def is_needed(self) -> bool:
        """Whether there is any revenue or subscription to know. Raises PyMongoError."""
        stored = self._database.reads
        return any([await stored[name].find_one({}, {"_id": 1}) is not None for name in (REVENUE, SUBSCRIPTIONS)])

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[tuple[Reader, View]]:
        """A reader for one answer, and what is known as of its moment. Raises DatabaseUnavailableError."""
        async with AsyncExitStack() as stack:
            async with self._lock:  # snapshots are taken in: each is as new as the one before it
                read = await stack.enter_async_context(reading(self._database))
                view = await self._up_to(read)
            yield read, view

    async def _up_to(self, read: Reader) -> View:
        state = first(await read.find(VERSIONS, STATE))
        count = await self._take_in_revenue(read, state)
        rates = await self._take_in_rates(read, state)
        subscribers = await self._take_in_subscriptions(read)
        if rates or subscribers:
            self._recurring = RecurringFigures(self._subscribers, self._rates.known)
        known = self._revenue
        return View(known.entries, count, known.recognised, self._subscribers, self._recurring, self._rates.known)

    async def _take_in_revenue(self, read: Reader, state: Document) -> int:
        """How many entries the snapshot has."""
        if state.get("rewritten", 0) != self._revenue.rewritten:
            self._revenue = _empty(state.get("rewritten", 0))
        entries, newest = self._revenue.entries, state.get("sequence", 0)
        if newest > entries.sequence:
            newer = {"$match": {"sequence": {"$gt": entries.sequence}}}
            new: list[Stage] = [newer, {"$sort": {"sequence": 1}}, {"$project": SHOWN}]
            try:
                async for rows in read.batches((REVENUE, new), AT_ONCE):
                    await asyncio.to_thread(_add, entries, rows)
            except BaseException:
                self._revenue = _empty(-1)  # a part of one transaction may be in it: the next one reads all
                raise
        return entries.up_to(newest)

    async def _take_in_rates(self, read: Reader, state: Document) -> bool:
        """Whether any are new."""
        changes = state.get("rates", 0)
        if changes == self._rates.changes:
            return False
        stored = await read.find(RATES, {})
        rates = [one for each in stored if (one := read_shape(CurrencyRate, each)) is not None]
        self._rates = _Rates(changes, KnownRates(rates))
        return True

    async def _take_in_subscriptions(self, read: Reader) -> bool:
        """Whether any are new, or otherwise than before."""
        state = first(await read.find(DEFINITIONS_STATE, {"_id": DEFINITIONS}))
        version, known = state.get("version", 0), self._subscribers
        generation = known.generation
        if version == known.version and read.is_of_one_moment:
            return False
        if version < known.version or state.get("removed", -1) > known.version:
            known = Subscribers(-1, {}, {}, known.generation + 1)
        # without transactions, of two changes that overlap the later one may have the number of the earlier
        since = {} if known.version < 0 else {"changed": {"$gt" if read.is_of_one_moment else "$gte": known.version}}
        for each in await read.find(PLANS, since):
            if (plan := read_shape(PlanVersion, each)) is not None:
                self._plans[plan.plan, plan.version] = plan
        changed: list[Subscription] = []
        # some at a time, in threads: of thousands this takes a second, for which neither others nor a shutdown may wait
        async for rows in read.batches((SUBSCRIPTIONS, [{"$match": since}]), SUBSCRIPTIONS_AT_ONCE):
            changed += await asyncio.to_thread(_subscriptions, rows)
        self._subscribers = await asyncio.to_thread(self._with, known, version, changed)
        return self._subscribers.generation != generation

    def _with(self, known: Subscribers, version: int, changed: list[Subscription]) -> Subscribers:
        return known.with_changed(version, changed, lambda plan, number: self._plans.get((plan, number)))


def _subscriptions(rows: Documents) -> list[Subscription]:
    return [one for each in rows if (one := read_shape(Subscription, each)) is not None]


def _add(entries: Entries, rows: Documents) -> None:
    """Raises DamagedDataError naming the first one that cannot be read."""
    for row in rows:
        try:
            entries.add(row)
        except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
            message = (
                f"revenue {row['_id']} was changed by hand and cannot be read, so no figure of revenue can be given: "
                f"{type(error).__name__} {error}; restore it from a backup"
            )
            raise DamagedDataError(message) from error


def _empty(rewritten: int) -> _Revenue:
    entries = Entries()
    return _Revenue(rewritten, entries, Recognised(entries))
