"""What follows from Stripe's objects, settled in one transaction: subscriptions in step, entries of revenue.

1. The event is noted: one that is there already has had its effect.
2. The document that all of this changes is raised: of two processes, the later one begins anew, and sees the other's.
3. The newer state of each object is kept.
4. Each object that changed, and each that waited for one of these, is settled: what can be done is, what cannot yet
   says what it waits for.
A failure anywhere leaves nothing of it behind, and Stripe sends the event again.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from pymongo.errors import DuplicateKeyError

from app.database import Database, Session
from app.database.connection import VERSIONS
from app.database.transactions import transact
from app.finance.revenue.book import RevenueBook
from app.finance.stripe.facts import Facts, Price, SubscriptionState
from app.finance.stripe.invoicing import Invoicing
from app.finance.stripe.knowing import Knowing
from app.finance.stripe.settlements import Settlement
from app.finance.stripe.store import Objects, Told
from app.finance.stripe.subscriptions import Subscriptions
from app.limits.defining.changes import have_version
from models.documents import Document
from models.moments import moment_now
from models.stripe import EVENTS, STATE

MOST_AT_ONCE = 300
"""Objects that one transaction settles: those beyond it wait for the next look."""


class Received(NamedTuple):
    """What one object says, at a moment."""

    facts: Sequence[Facts]
    """Of the object itself, and of those within it."""
    told: Told
    before: Facts | None = None
    """The object before the event changed it, where that says so."""


class Event(NamedTuple):
    """One that came from Stripe."""

    id: str
    type: str
    at: datetime
    object_id: str | None


class Effect(NamedTuple):
    """What became of it."""

    known: bool
    """Whether it had come before: nothing was done again."""
    settled: list[Settlement]


class Settling:
    """One per process."""

    def __init__(self, database: Database, zone: ZoneInfo, plans: dict[str, str]) -> None:
        """`plans`: the plan of each product of Stripe's, where its prices do not say."""
        self._database = database
        self._objects = Objects(database)
        self._knowing = Knowing(database, self._objects, zone, plans)
        self._subscriptions = Subscriptions(database, self._objects, self._knowing)
        book = RevenueBook(database, zone)
        self._invoicing = Invoicing(database, self._objects, self._knowing, self._subscriptions, book)

    async def prepare(self) -> None:
        """Have the documents there that changes raise. Raises PyMongoError."""
        await have_version(self._database)
        await self._database.writes[VERSIONS].update_one(STATE, {"$setOnInsert": {"sequence": 0}}, upsert=True)

    async def take(
        self, event: Event | None, received: Sequence[Received], *, execute: bool = True, again: bool = False
    ) -> Effect:
        """Take in what an event says, or what was fetched without one. Without `execute`, undo it all again. `again`
        settles also what has not changed.

        Raises PyMongoError.
        """

        async def work(session: Session | None) -> list[Settlement]:
            settled = await self._take(event, received, session, again=again)
            if not execute:
                raise _Undone(settled)
            return settled

        if not execute and not self._database.transactional:
            return Effect(known=False, settled=[])
        try:
            if event is not None and await self._is_known(event):
                return Effect(known=True, settled=[])
            return Effect(known=False, settled=await transact(self._database, work))
        except _Undone as undone:
            return Effect(known=False, settled=undone.settled)
        except DuplicateKeyError:
            # the event's own, of another process at the same time; anything else is ours
            if event is None or not await self._is_known(event):
                raise
            return Effect(known=True, settled=[])

    async def again(self, ids: Sequence[str]) -> Effect:
        """Settle objects again that waited. Raises PyMongoError."""

        async def work(session: Session | None) -> list[Settlement]:
            await self._raise(session, None)
            return await self._settle(ids, session)

        return Effect(known=False, settled=await transact(self._database, work))

    async def _is_known(self, event: Event) -> bool:
        return await self._database.writes[EVENTS].find_one({"_id": event.id}, {"_id": 1}) is not None

    async def _take(
        self, event: Event | None, received: Sequence[Received], session: Session | None, *, again: bool
    ) -> list[Settlement]:
        now = moment_now()
        noted: Document = {}
        if event is not None:
            noted = {"_id": event.id, "type": event.type, "at": event.at, "object": event.object_id, "receivedAt": now}
        if session is not None and event is not None:
            await self._database.writes[EVENTS].insert_one(noted, session=session)
        await self._raise(session, event)
        changed: list[Facts] = []
        for one in received:
            for number, facts in enumerate(one.facts):
                told = one.told._replace(weight=0) if number else one.told
                kept = await self._objects.keep(facts, told, now, session, None if number else one.before)
                if kept or (again and not number):
                    changed.append(facts)
        # what an invoice pays for is told by its subscription
        changed.sort(key=lambda facts: not isinstance(facts, SubscriptionState))
        first = [facts.id for facts in changed if not isinstance(facts, Price)]
        waiting = await self._objects.waiting([id_ for facts in changed for id_ in (facts.id, *facts.keys)], session)
        settled = await self._settle([*first, *waiting], session)
        if session is None and event is not None:  # last: without transactions an effect may be repeated, never lost
            await self._database.writes[EVENTS].replace_one({"_id": event.id}, noted, upsert=True)
        return settled

    async def _raise(self, session: Session | None, event: Event | None) -> None:
        change: Document = {"$inc": {"sequence": 1}}
        if event is not None:
            change["$set"] = {"event": {"id": event.id, "type": event.type, "at": event.at, "receivedAt": moment_now()}}
        await self._database.writes[VERSIONS].update_one(STATE, change, upsert=True, session=session)

    async def _settle(self, ids: Iterable[str], session: Session | None) -> list[Settlement]:
        """These, and what waited for them in turn."""
        queue, seen = list(dict.fromkeys(ids)), set[str]()
        settled: list[Settlement] = []
        while queue and len(settled) < MOST_AT_ONCE:
            id_ = queue.pop(0)
            if id_ in seen:
                continue
            seen.add(id_)
            kept = await self._objects.one(id_, session)
            if kept is None:
                continue
            done = await self._subscriptions.settle(kept, session) or await self._invoicing.settle(kept, session)
            if done is None:
                await self._objects.settled(id_, "settled", session)
                continue
            settled.append(done)
            seen.update(done.also)
            if done.frees:
                # whose a subscription is, its customer is as well
                also = [kept.facts.customer] if isinstance(kept.facts, SubscriptionState) else []
                freed = await self._objects.waiting([id_, *also], session)
                seen.difference_update(freed)  # what had its turn before this one was there has another
                queue += freed
        return settled


class _Undone(Exception):  # noqa: N818 - it is none, but how a transaction is left
    def __init__(self, settled: list[Settlement]) -> None:
        super().__init__()
        self.settled = settled
