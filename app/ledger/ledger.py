"""The ledger: one transaction per batch writes both collections and what they add to the rollups, or nothing."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import pymongo
from bson import ObjectId
from bson.errors import BSONError
from pymongo.errors import OperationFailure, PyMongoError

from app.database import Database, Session
from app.database.blocking import ClientSession, OwnThread, transact_blocking
from app.database.outages import is_outage, reason_of
from app.database.transactions import pauses, was_undone
from app.ledger.inserts import KnownIdsError, RefusedError, insert
from app.ledger.outcomes import Outcome, ReceiptStatus
from app.ledger.settlements import Settlements
from app.ledger.templates import counted
from app.ledger.twins import Pair
from app.ledger.uncounted import uncounted_of
from app.rollups.deltas import delta_of
from app.rollups.local_time import LocalTime
from app.rollups.name_caps import NameCaps
from models import AIUsage, Analytics
from models.counters import UNCOUNTED, Remark
from models.documents import Document
from models.rollups import DELTAS

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


class Commits:
    """What the ledgers of a process have to do with its limits."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[], None]] = []
        self.count: Callable[[], bool] = lambda: True
        """Whether anything may count calls. In any thread."""

    def listen(self, listener: Callable[[], None]) -> None:
        """Tell it, on the event loop, that something was committed."""
        self._listeners.append(listener)

    def tell(self) -> None:
        for listener in self._listeners:
            listener()


class Ledger:
    """Writes pairs. One per process, used by one committer at a time; its work is done in a thread of its own."""

    def __init__(
        self, database: Database, session: Session | None, local_time: LocalTime, commits: Commits | None = None
    ) -> None:
        blocking = database.blocking
        self._entries = blocking[AIUsage.Settings.name]
        self._events = blocking[Analytics.Settings.name]
        self._deltas = blocking[DELTAS]
        self._uncounted = blocking[UNCOUNTED]
        self._caps = NameCaps(database)
        self.settlements = Settlements(blocking)
        self.local_time = local_time
        """Gives the day of an entry in the zone of the rollups."""
        self._session: ClientSession | None = None if session is None else session.delegate
        """None where the server has no transactions."""
        self._thread = OwnThread("ledger")
        self._commits = commits or Commits()

    async def commit(self, pairs: Sequence[Pair], *, seconds: float, again: bool = False) -> list[Outcome]:
        """Store `pairs`, durably and each once, and return their outcomes, in order.

        `seconds` bounds the attempt. `again` says that an earlier attempt at the same pairs ended without a known
        result, so that what is found stored may be its work. What a fault stops that is not MongoDB's absence is in the
        outcomes of those pairs alone. Raises LedgerUnavailableError.

        Where its caller is cancelled, a commit that has begun is finished all the same, if MongoDB lets it.
        """
        firsts = _firsts(pairs)
        distinct = list({first.id: first for first in firsts}.values())
        outcomes = await self._thread.run(partial(self._commit_in_time, distinct, _Attempt(again), seconds))
        self._commits.tell()
        self.settlements.committed([pair for pair in distinct if outcomes[pair.id].status is ReceiptStatus.COMMITTED])
        return [_outcome_of_each(pair, first, outcomes[first.id]) for pair, first in zip(pairs, firsts, strict=True)]

    def _commit_in_time(self, pairs: list[Pair], attempt: "_Attempt", seconds: float) -> dict[ObjectId, Outcome]:
        try:
            with pymongo.timeout(seconds):
                return self._commit_distinct(pairs, attempt)
        except PyMongoError as error:
            raise LedgerUnavailableError(reason_of(error), slow=error.timeout) from error

    def _commit_distinct(self, pairs: list[Pair], attempt: "_Attempt") -> dict[ObjectId, Outcome]:
        """What can never be stored, or meets a fault, is found by bisection, and never affects the others."""
        if attempt.hopeless is not None:
            return _hindered(pairs, attempt.hopeless)
        try:
            stored = self._commit_whole(pairs, again=attempt.again)
        except (RefusedError, *_UNSTORABLE) as error:
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
        return self._commit_distinct(pairs[:middle], attempt) | self._commit_distinct(pairs[middle:], attempt)

    def _commit_whole(self, pairs: list[Pair], *, again: bool) -> dict[ObjectId, Outcome]:
        if self._session is None:
            return self._insert_loose(pairs, again=again)
        return self._transact_until_settled(self._session, pairs, again=again)

    def _transact_until_settled(
        self, session: ClientSession, pairs: list[Pair], *, again: bool
    ) -> dict[ObjectId, Outcome]:
        """Inserts are optimistic: stored ids are looked up only where one is likely, or was found, and shared ones."""
        look_up = again
        for pause in pauses():
            try:
                return self._transact(session, pairs, look_up=look_up, again=again)
            except KnownIdsError:
                look_up = True
            except PyMongoError as error:
                if not was_undone(error) or not isinstance(error, OperationFailure):  # the network: the spool decides
                    raise
                time.sleep(pause)
        raise AssertionError("unreachable: pauses never end")

    def _transact(
        self, session: ClientSession, pairs: list[Pair], *, look_up: bool, again: bool
    ) -> dict[ObjectId, Outcome]:
        def write() -> dict[ObjectId, Outcome]:
            stored = (self._stored if look_up else self._shared)(pairs, session)
            return self._insert(pairs, stored, session, again=again)

        return transact_blocking(session, write)

    def _insert_loose(self, pairs: list[Pair], *, again: bool) -> dict[ObjectId, Outcome]:
        """Without transactions: the inserts in order, so that a replay of the same call repairs a torn one."""
        return self._insert(pairs, self._stored(pairs, None), None, again=again)

    def _insert(
        self, pairs: list[Pair], stored: "_Stored", session: ClientSession | None, *, again: bool
    ) -> dict[ObjectId, Outcome]:
        if not (stored.entries or stored.events):
            remarks = self._insert_new(pairs, pairs, session)
            return {pair.id: _committed(pair, remarks) for pair in pairs}
        first = {pair.id: pair.first_in(stored.entries) for pair in pairs}
        new = [pair for pair in pairs if first[pair.id] is None]
        without_event = [pair for pair in pairs if _lacks_event(pair, first[pair.id], stored)]
        remarks = self._insert_new(new, without_event, session)
        known = [(pair, entry) for pair in pairs if (entry := first[pair.id]) is not None]
        remarks |= self.settlements.known(known, session)
        return {pair.id: _outcome(pair, first[pair.id], remarks, again=again) for pair in pairs}

    def _insert_new(
        self, new: list[Pair], without_event: list[Pair], session: ClientSession | None
    ) -> dict[ObjectId, Remark]:
        """Returns what became of the reservations that they name."""
        insert(self._entries, [pair.entry_to_store() for pair in new], session)
        insert(self._events, [pair.event_to_store() for pair in without_event], session)
        settlement = self.settlements.settle(new, session)
        if new:
            # one document with all that they add to the rollups: no two writers ever touch the same one
            entries, columns = counted(new)
            insert(self._deltas, [delta_of(entries, self.local_time, self._caps, columns)], session)
            if session is not None and (uncounted := settlement.added_to(self._uncounted_of(new))) is not None:
                insert(self._uncounted, [uncounted], session)
        return settlement.remarks

    def _uncounted_of(self, new: list[Pair]) -> Document | None:
        return uncounted_of(new) if self._commits.count() else None

    def _stored(self, pairs: list[Pair], session: ClientSession | None) -> "_Stored":
        entries = self._entries_of([id_ for pair in pairs for id_ in pair.ids], session)
        own = {"_id": {"$in": [pair.id for pair in pairs]}}
        return _Stored(entries, {event["_id"] for event in self._events.find(own, {"_id": 1}, session=session)})

    def _shared(self, pairs: list[Pair], session: ClientSession | None) -> "_Stored":
        """What no insert would find: few calls have an id beside their own, and only they cost a look-up."""
        shared = [pair.shared_id for pair in pairs if pair.shared_id is not None]
        if shared and self._entries_of(shared, session):
            return self._stored(pairs, session)
        return _Stored({}, set())

    def _entries_of(self, ids: list[ObjectId], session: ClientSession | None) -> dict[ObjectId, Document]:
        found = self._entries.find({"_id": {"$in": ids}}, session=session)
        return {entry["_id"]: entry for entry in found}


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
    if len({pair.id for pair in pairs}) == len(pairs) and all(pair.shared_id is None for pair in pairs):
        return list(pairs)
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


def _hindered(pairs: list[Pair], fault: Exception) -> dict[ObjectId, Outcome]:
    return {pair.id: Outcome.hindered(reason_of(fault), fault) for pair in pairs}


def _committed(pair: Pair, remarks: Mapping[ObjectId, Remark]) -> Outcome:
    return _COMMITTED._replace(reservation=remarks[pair.id]) if pair.id in remarks else _COMMITTED


def _outcome(pair: Pair, stored: Document | None, remarks: Mapping[ObjectId, Remark], *, again: bool) -> Outcome:
    if stored is None:
        return _committed(pair, remarks)
    if again and stored["_id"] == pair.id and not pair.conflicts_with(stored):
        return _committed(pair, remarks)
    return Outcome.duplicate(pair, stored)._replace(reservation=remarks.get(pair.id))


def _outcome_of_each(pair: Pair, first: Pair, outcome: Outcome) -> Outcome:
    """The outcome of a pair in a batch, from that of the first one of its call, unless that one was not stored."""
    if pair is first or outcome.status is ReceiptStatus.REJECTED or outcome.fault is not None:
        return outcome
    return Outcome.duplicate(pair, first.entry if outcome.stands is None else outcome.stands)
