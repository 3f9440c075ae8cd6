"""The ledger: one transaction per batch writes both collections and what they add to the rollups, or nothing."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any, NamedTuple

import pymongo
from bson import ObjectId
from bson.errors import BSONError
from pymongo.errors import BulkWriteError, OperationFailure, PyMongoError

from app.database import Collection, Database, Session
from app.database.outages import is_outage, reason_of
from app.database.transactions import pauses, transact_once, was_undone
from app.ledger.outcomes import Outcome, ReceiptStatus
from app.ledger.twins import Pair
from app.rollups.deltas import delta_of
from app.rollups.local_time import LocalTime
from app.rollups.name_caps import NameCaps
from models.documents import Document
from models.rollups import DELTAS

DUPLICATE_KEY = 11_000
MOST_ALONE = 5
"""Pairs that fail alone, in no order, while none is stored: then it is not they that are at fault."""

# what the driver raises, before anything is sent, for a document that BSON cannot encode
_UNSTORABLE = (BSONError, OverflowError, UnicodeError)


_COMMITTED = Outcome(ReceiptStatus.COMMITTED)


class LedgerUnavailableError(Exception):
    """MongoDB did not commit in time. The batch may or may not be stored: commit it again with `again=True`."""

    def __init__(self, reason: str, *, slow: bool = False) -> None:
        super().__init__(reason)
        self.slow = slow
        """Whether the time was over, which a smaller batch may not need."""


class _RefusedError(Exception):
    """At least one document of the batch can never be stored."""


class _KnownIdsError(Exception):
    """At least one `_id` of the batch is stored already; nothing was written."""


class Ledger:
    """Writes pairs. One per process, used by one committer at a time."""

    def __init__(self, database: Database, session: Session | None, local_time: LocalTime) -> None:
        self._entries = database.ledger
        self._events = database.events
        self._deltas = database.writes[DELTAS]
        self._caps = NameCaps(database)
        self.local_time = local_time
        """Gives the day of an entry in the zone of the rollups."""
        self._session = session
        """None where the server has no transactions."""

    async def commit(self, pairs: Sequence[Pair], *, seconds: float, again: bool = False) -> list[Outcome]:
        """Store `pairs`, durably and each once, and return their outcomes, in order.

        `seconds` bounds the attempt. `again` says that an earlier attempt at the same pairs ended without a known
        result, so that what is found stored may be its work. What a fault stops that is not MongoDB's absence is in the
        outcomes of those pairs alone. Raises LedgerUnavailableError.
        """
        firsts = _firsts(pairs)
        try:
            with pymongo.timeout(seconds):
                distinct = list({first.id: first for first in firsts}.values())
                outcomes = await self._commit_distinct(distinct, _Attempt(again))
        except PyMongoError as error:
            raise LedgerUnavailableError(reason_of(error), slow=error.timeout) from error
        return [_outcome_of_each(pair, first, outcomes[first.id]) for pair, first in zip(pairs, firsts, strict=True)]

    async def _commit_distinct(self, pairs: list[Pair], attempt: "_Attempt") -> dict[ObjectId, Outcome]:
        """What can never be stored, or meets a fault, is found by bisection, and never affects the others."""
        if attempt.hopeless is not None:
            return _hindered(pairs, attempt.hopeless)
        try:
            stored = await self._commit_whole(pairs, again=attempt.again)
        except (_RefusedError, *_UNSTORABLE) as error:
            if len(pairs) == 1:
                return {pairs[0].id: Outcome(ReceiptStatus.REJECTED, reason=str(error))}
        except Exception as error:
            if is_outage(error):
                raise
            if len(pairs) == 1:
                attempt.failed_alone(error)
                return _hindered(pairs, error)
            # in no order, so that some that could be stored are soon tried among any number that cannot
            pairs = random.sample(pairs, len(pairs))
        else:
            attempt.stored_any = True
            return stored
        middle = len(pairs) // 2
        return {
            **await self._commit_distinct(pairs[:middle], attempt),
            **await self._commit_distinct(pairs[middle:], attempt),
        }

    async def _commit_whole(self, pairs: list[Pair], *, again: bool) -> dict[ObjectId, Outcome]:
        if self._session is None:
            return await self._insert_loose(pairs, again=again)
        return await self._transact_until_settled(self._session, pairs, again=again)

    async def _transact_until_settled(
        self, session: Session, pairs: list[Pair], *, again: bool
    ) -> dict[ObjectId, Outcome]:
        """Inserts are optimistic: stored ids are looked up only where one is likely, or was found, and shared ones."""
        look_up = again
        for pause in pauses():
            try:
                return await self._transact(session, pairs, look_up=look_up, again=again)
            except _KnownIdsError:
                look_up = True
            except PyMongoError as error:
                if not was_undone(error) or not isinstance(error, OperationFailure):  # the network: the spool decides
                    raise
                await asyncio.sleep(pause)
        raise AssertionError("unreachable: pauses never end")

    async def _transact(
        self, session: Session, pairs: list[Pair], *, look_up: bool, again: bool
    ) -> dict[ObjectId, Outcome]:
        async def write(session: Session) -> dict[ObjectId, Outcome]:
            stored = await (self._stored if look_up else self._shared)(pairs, session)
            return await self._insert(pairs, stored, session, again=again)

        return await transact_once(session, write)

    async def _insert_loose(self, pairs: list[Pair], *, again: bool) -> dict[ObjectId, Outcome]:
        """Without transactions: the inserts in order, so that a replay of the same call repairs a torn one."""
        return await self._insert(pairs, await self._stored(pairs, None), None, again=again)

    async def _insert(
        self, pairs: list[Pair], stored: "_Stored", session: Session | None, *, again: bool
    ) -> dict[ObjectId, Outcome]:
        first = {pair.id: pair.first_in(stored.entries) for pair in pairs}
        entries = [pair.entry for pair in pairs if first[pair.id] is None]
        await _insert(self._entries, entries, session)
        await _insert(
            self._events, [pair.event for pair in pairs if _lacks_event(pair, first[pair.id], stored)], session
        )
        await self._insert_delta(entries, session)
        return {pair.id: _outcome(pair, first[pair.id], again=again) for pair in pairs}

    async def _insert_delta(self, entries: list[Document], session: Session | None) -> None:
        """One document with everything that the batch adds to the rollups: no two writers ever touch the same one."""
        if not entries:
            return
        await self._deltas.insert_one(await delta_of(entries, self.local_time, self._caps), session=session)

    async def _stored(self, pairs: list[Pair], session: Session | None) -> "_Stored":
        entries = await self._entries_of([id_ for pair in pairs for id_ in pair.ids], session)
        own = {"_id": {"$in": [pair.id for pair in pairs]}}
        return _Stored(entries, {event["_id"] async for event in self._events.find(own, {"_id": 1}, session=session)})

    async def _shared(self, pairs: list[Pair], session: Session | None) -> "_Stored":
        """What no insert would find: few calls have an id beside their own, and only they cost a look-up."""
        shared = [pair.shared_id for pair in pairs if pair.shared_id is not None]
        if shared and await self._entries_of(shared, session):
            return await self._stored(pairs, session)
        return _Stored({}, set())

    async def _entries_of(self, ids: list[ObjectId], session: Session | None) -> dict[ObjectId, Document]:
        found = self._entries.find({"_id": {"$in": ids}}, session=session)
        return {entry["_id"]: entry async for entry in found}


class _Attempt:
    """What is known of an attempt at many pairs, so that one that cannot succeed ends soon."""

    def __init__(self, again: bool) -> None:
        self.again = again
        self.stored_any = False
        self.hopeless: Exception | None = None
        """The fault that all meet."""
        self._alone = 0

    def failed_alone(self, fault: Exception) -> None:
        """A pair met a fault by itself."""
        self._alone += 1
        if self._alone >= MOST_ALONE and not self.stored_any:
            self.hopeless = fault


class _Stored(NamedTuple):
    entries: dict[ObjectId, Document]
    events: set[ObjectId]


def _firsts(pairs: Sequence[Pair]) -> list[Pair]:
    """For each pair of a batch the first of the same call: often itself."""
    first: dict[ObjectId, Pair] = {}
    firsts = []
    for pair in pairs:
        if pair.shared_id in first:
            known = pair.first_in({id_: first[id_].entry for id_ in pair.ids if id_ in first})
            firsts.append(first.setdefault(pair.id, pair) if known is None else first[known["_id"]])
        else:
            firsts.append(first.setdefault(pair.id, pair))
    return firsts


def _lacks_event(pair: Pair, first: Document | None, stored: _Stored) -> bool:
    """Whether its event is to be written: also that of a torn pair, whose entry alone is there."""
    return pair.id not in stored.events and (first is None or first["_id"] == pair.id)


async def _insert(collection: Collection, documents: list[Document], session: Session | None) -> None:
    if not documents:
        return
    try:
        await collection.insert_many(documents, ordered=True, session=session)
    except BulkWriteError as error:
        if error.has_error_label("TransientTransactionError"):
            raise
        write_errors: list[dict[str, Any]] = (error.details or {}).get("writeErrors", [])
        if not write_errors:
            raise
        if write_errors[0]["code"] == DUPLICATE_KEY:
            raise _KnownIdsError from error
        raise _RefusedError(write_errors[0]["errmsg"]) from error


def _hindered(pairs: list[Pair], fault: Exception) -> dict[ObjectId, Outcome]:
    return {pair.id: Outcome.hindered(reason_of(fault), fault) for pair in pairs}


def _outcome(pair: Pair, stored: Document | None, *, again: bool) -> Outcome:
    if stored is None:
        return _COMMITTED
    if again and stored["_id"] == pair.id and not pair.conflicts_with(stored):
        return _COMMITTED
    return Outcome.duplicate(pair, stored)


def _outcome_of_each(pair: Pair, first: Pair, outcome: Outcome) -> Outcome:
    """The outcome of a pair in a batch, from that of the first one of its call, unless that one was not stored."""
    if pair is first or outcome.status is ReceiptStatus.REJECTED or outcome.fault is not None:
        return outcome
    return Outcome.duplicate(pair, first.entry if outcome.stands is None else outcome.stands)
